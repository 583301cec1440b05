
pub mod clock;
pub mod facts;
