//! Reads the text format of superblocks, which [`hotspur_ir::print`] describes.
//!
//! Text is for tests, dumps and bug reports, so the parser is no part of the shipped engine. It accepts anything that has
//! the shape of a superblock, well-formed or not: judging is the verifier's business. Numbers in the text become the ids of
//! the superblock.

#![forbid(unsafe_code)]

mod lexer;
mod parser;

pub use lexer::{Lexer, Token};
pub use parser::{Parser, parse};

use core::fmt;

/// Where and why text is no superblock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}
