//! The environment → [`Config`], every problem at once.

/// The right to change the outside world. Only [`Config`] can hand one out,
/// and only when `DRY_RUN` parsed to `false` (promise 5).
#[derive(Debug, Clone)]
pub struct Live(());
