//! How an alphabet is written down: each move with its words.

/// An alphabet: the moves, all of them, and each in words.
macro_rules! alphabet {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $words:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $words] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($words),*].len()] = [$(Self::$variant),*];

            /// In words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)*
                }
            }
        }
    };
}

pub(super) use alphabet;
