//! The `hotspur` command.
fn main() {}
