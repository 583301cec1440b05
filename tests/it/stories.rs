//! Stories about members: one behaviour each.

mod joining;
