//! The `hogback` command.
fn main() {}
