//! Tests of superblocks in text files.
//!
//! A file `filetests/*/*.sb` holds what is to be done, a superblock, and the result that is expected:
//!
//! ```text
//! test interp
//! object obj0 = type int
//! object obj1 = int 5
//! run locals [obj1] args [7]
//!
//! superblock code0 @ 0 (v0: i64) {
//!     ...
//! }
//! snap0 = ...
//! ; expect:
//! ; ...
//! ```
//!
//! * `test print`: the superblock is printed with canonical ids.
//! * `test verify`: `ok`, or what the verifier objects to.
//! * `test interp`: the superblock, which the verifier must accept, is run on the toy runtime once for each `run`;
//!   shown are the exit, the frames, the log, and what is wrong with reference counts. `test interp unverified` skips
//!   the verifier. What was verified is run as machine code too, with the same result.
//!
//! `HOTSPUR_BLESS=1 cargo test -p hotspur-filetests` writes what came out as what is expected. Objects are described by
//! [`setup`].

#![deny(unsafe_code)]

pub mod generate;
#[allow(unsafe_code, reason = "machine code is entered, and works on what it is given")]
pub mod machine_code;
pub mod setup;

use hotspur_codegen::Refusal;
use hotspur_interp::toy::{Toy, ToyRef};
use hotspur_interp::{Outcome, run};
use hotspur_ir::{Superblock, verify};
use hotspur_reader::Parser;
use machine_code::Engine;
use setup::Setup;

/// What separates a superblock from what is expected.
const EXPECT: &str = "; expect:\n";

/// A test file in parts.
#[derive(Debug)]
pub struct TestFile {
    /// Everything before what is expected.
    pub source: String,
    /// What is expected.
    pub expected: String,
    /// What is to be done.
    pub setup: Setup,
    /// The superblock.
    pub superblock: Superblock,
}

impl TestFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<TestFile, String> {
        let (source, expected) = text.split_once(EXPECT).unwrap_or((text, ""));
        let mut parser = Parser::new(source);
        let setup = Setup::parse(&mut parser).map_err(|e| e.to_string())?;
        let superblock = parser.superblock().map_err(|e| e.to_string())?;
        if parser.lexer.peek() != hotspur_reader::Token::End {
            return Err(parser.lexer.error("expected the end").to_string());
        }
        let uncomment = |l: &str| format!("{}\n", l.strip_prefix("; ").or(l.strip_prefix(';')).unwrap_or(l));
        let expected = expected.lines().map(uncomment).collect();
        Ok(TestFile { source: source.into(), expected, setup, superblock })
    }

    /// Does what is to be done.
    pub fn actual(&self) -> String {
        match self.setup.command {
            setup::Command::Print => self.superblock.canonical().to_string(),
            setup::Command::Verify => verified(&self.superblock),
            setup::Command::Interp { verified: must } => {
                if must && verify(&self.superblock).is_err() {
                    return verified(&self.superblock);
                }
                (1..).zip(&self.setup.runs).map(|(n, r)| format!("run {n}\n{}", self.run(r))).collect()
            }
        }
    }

    /// The file with this as what is expected.
    pub fn blessed(&self, actual: &str) -> String {
        let comment = |l: &str| format!("; {l}").trim_end().to_owned() + "\n";
        format!("{}{EXPECT}{}", self.source, actual.lines().map(comment).collect::<String>())
    }

    fn run(&self, r: &setup::Run) -> String {
        let mut toy = Toy::new();
        let args = match self.setup.prepare(r, &mut toy, self.superblock.code, self.superblock.pc) {
            Ok(args) => args,
            Err(message) => return format!("    {message}\n"),
        };
        match run(&self.superblock, &mut toy, &args, r.fuel) {
            Err(violation) => format!("    violation: {violation}\n"),
            Ok(outcome) => shown(&mut toy, &outcome),
        }
    }

    /// Runs machine code, and shows the same as [`TestFile::actual`]; none if this is no test that runs a verified
    /// superblock.
    ///
    /// # Errors
    /// There is no machine code.
    pub fn actual_of_code(&self, engine: &mut Engine) -> Result<Option<String>, Refusal> {
        if self.setup.command != (setup::Command::Interp { verified: true }) || verify(&self.superblock).is_err() {
            return Ok(None);
        }
        let mut text = String::new();
        for (n, r) in (1..).zip(&self.setup.runs) {
            let mut toy = Toy::new();
            let prepared = self.setup.prepare(r, &mut toy, self.superblock.code, self.superblock.pc);
            let result = match prepared {
                Ok(args) => {
                    let (outcome, _) = engine.run(&self.superblock, &mut toy, &args, None)?;
                    shown(&mut toy, &outcome)
                }
                Err(message) => format!("    {message}\n"),
            };
            text += &format!("run {n}\n{result}");
        }
        Ok(Some(text))
    }
}

/// What a run came to: the exit, the frames, the log, and what is wrong with reference counts.
pub fn shown(toy: &mut Toy, outcome: &Outcome<ToyRef>) -> String {
    let mut lines = vec![toy.show_outcome(outcome)];
    lines.extend(toy.show_frames());
    if toy.raised {
        lines.push("exception set".into());
    }
    lines.append(&mut toy.log);
    lines.extend(toy.check(&[]));
    lines.iter().map(|l| format!("    {l}\n")).collect()
}

fn verified(sb: &Superblock) -> String {
    match verify(sb) {
        Ok(()) => "ok\n".into(),
        Err(errors) => errors.iter().map(|e| format!("{e}\n")).collect(),
    }
}
