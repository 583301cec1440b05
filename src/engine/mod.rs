//! The only owner of the book, and the only place where somebody can gain or
//! lose access.

pub mod desk;
