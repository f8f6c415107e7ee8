//! Finding a CPython and reading its command line.
//!
//! Everything here is plain Rust that needs no Python, so that the `hotspur` binary and the extension module share
//! one implementation: which interpreter to start ([`find`]), where Hotspur's options end and Python's begin
//! ([`command_line`]), and how the binary tells the engine inside the started process what to do
//! ([`handoff`], [`start`]).

pub mod command_line;
pub mod elf;
pub mod find;
pub mod handoff;
pub mod start;
pub mod views;

/// The CPython minor version that this Hotspur is built for, as `(major, minor)`.
pub const PYTHON_VERSION: (u8, u8) = (3, 13);

/// Hotspur's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The exit status for a wrong command line and for "no Python found", the same as Python's own.
pub const EXIT_USAGE: i32 = 2;

/// Whether the user has switched Hotspur off with `HOTSPUR=0`.
pub fn switched_off() -> bool {
    std::env::var_os("HOTSPUR").is_some_and(|value| value == "0")
}
