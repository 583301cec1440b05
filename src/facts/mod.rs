//! What services return and everybody else speaks. Pure: no I/O, no clock.
//!
//! Names follow the services' own words: shares and invites as plex.tv says,
//! subscriptions and invoices as Stripe says, plays as Tautulli says.

mod amount;
mod identity;
mod look;
mod play;
mod price;
mod ratio;
mod reading;
mod share;
mod subscription;
mod terms;

pub use amount::*;
pub use identity::*;
pub use look::*;
pub use play::*;
pub use price::*;
pub use ratio::*;
pub use reading::*;
pub use share::*;
pub use subscription::*;
pub use terms::*;

/// An instant in UTC.
pub type Moment = chrono::DateTime<chrono::Utc>;
