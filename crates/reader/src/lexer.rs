//! Text into tokens.

use crate::ParseError;

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// A name: letters, digits, underscores.
    Name(&'a str),
    /// A number as written: digits, sign, point, exponent, `0x`.
    Number(&'a str),
    /// Punctuation.
    Symbol(char),
    /// The end of the text.
    End,
}

/// Tokens of a text, one ahead.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    rest: &'a str,
    reached: usize,
    token: Token<'a>,
    line: usize,
}

impl<'a> Lexer<'a> {
    /// The tokens of the text.
    pub fn new(text: &'a str) -> Lexer<'a> {
        let mut lexer = Lexer { rest: text, reached: 1, token: Token::End, line: 1 };
        lexer.advance();
        lexer
    }

    /// The next token.
    pub fn peek(&self) -> Token<'a> {
        self.token
    }

    /// The line of the next token, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Takes the next token.
    pub fn next_token(&mut self) -> Token<'a> {
        let token = self.token;
        self.advance();
        token
    }

    /// An error at the next token.
    pub fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError { line: self.line, message: message.into() }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        token
    }

    fn length_of(&self, belongs: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len())
    }

    fn advance(&mut self) {
        loop {
            let blank = self.length_of(char::is_whitespace);
            self.reached += self.take(blank).matches('\n').count();
            if !self.rest.starts_with(';') {
                break;
            }
            let comment = self.length_of(|c| c != '\n');
            self.take(comment);
        }
        self.line = self.reached;
        self.token = match self.rest.chars().next() {
            None => Token::End,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Token::Name(self.take(self.length_of(|c| c.is_ascii_alphanumeric() || c == '_')))
            }
            Some(c) if c.is_ascii_digit() || c == '-' => {
                let mut previous = ' ';
                let mut len = 0;
                for c in self.rest.chars() {
                    let sign = matches!(c, '-' | '+') && (len == 0 || matches!(previous, 'e' | 'E'));
                    if !(c.is_ascii_alphanumeric() || c == '.' || sign) {
                        break;
                    }
                    previous = c;
                    len += c.len_utf8();
                }
                Token::Number(self.take(len))
            }
            Some(c) => {
                self.take(c.len_utf8());
                Token::Symbol(c)
            }
        };
    }
}
