//! The quick half of the ladder (DESIGN §11): everything here together takes
//! less than 30 seconds.

mod services;
mod tidy;
