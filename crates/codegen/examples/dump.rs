//! Compiles superblocks from text files and shows what comes out: bytes, time, and the code itself for a disassembler.
//!
//! ```text
//! cargo run --release -p hotspur-codegen --example dump -- loop.sb ...
//! objdump -D -b binary -m i386:x86-64 -M intel loop.bin
//! ```
//!
//! A file holds a superblock in the text format. The layout is CPython 3.13's, as in the tests.

#[path = "../tests/native/mod.rs"]
#[allow(dead_code, reason = "it does more for the tests")]
mod native;

use hotspur_codegen::{Compiler, Constants, Environment, ExitTable, Options};
use hotspur_ir::{CodeRef, ObjRef};
use std::path::Path;
use std::time::Duration;

/// Addresses that are as long as real ones.
struct Somewhere;

impl Constants for Somewhere {
    fn object(&self, object: ObjRef) -> u64 {
        0x7f12_3456_0000 + 64 * u64::from(object.as_u32())
    }
    fn code(&self, code: CodeRef) -> u64 {
        0x7f12_9876_0000 + 64 * u64::from(code.as_u32())
    }
    fn locals(&self, _: CodeRef) -> u32 {
        4
    }
    fn instruction(&self, _: CodeRef, pc: u32) -> u64 {
        0x7f12_4444_0000 + 8 * u64::from(pc)
    }
    fn stream(&self, _: CodeRef) -> u64 {
        0x7f12_5555_0000
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let sb = native::superblock(&std::fs::read_to_string(&path)?);
        let exits = ExitTable { base: 0x7f12_1111_0000, stride: 64, code: 0 };
        let layout = Some(&native::LAYOUT);
        let environment = Environment {
            layout,
            constants: &Somewhere,
            exits,
            valid: 0x7f12_2222_0000,
            epoch: 0,
            prologue: None,
            bridge: None,
            failing: None,
            lists: false,
        };
        let ops = sb.insts().count();
        for options in [Options { checked: false, optimize: true }, Options { checked: false, optimize: false }] {
            let mut compiler = Compiler::new(options)?;
            let code = compiler.compile(&sb, &environment)?;
            let mut times: Vec<Duration> = Vec::new();
            for _ in 0..200 {
                times.push(compiler.compile(&sb, &environment)?.time);
            }
            times.sort();
            let micros = times[times.len() / 2].as_secs_f64() * 1e6;
            println!(
                "{path} (optimized: {}): {ops} ops, {} exits, {:?}, {:.1} bytes per exit, {micros:.0} us, {:.1} us per op",
                options.optimize,
                code.exits.len(),
                code.sizes,
                code.bytes_per_exit(),
                micros / ops as f64,
            );
            if options.optimize {
                std::fs::write(Path::new(&path).with_extension("bin"), code.bytes())?;
                std::fs::write(Path::new(&path).with_extension("clif"), compiler.last_ir())?;
            }
        }
    }
    Ok(())
}
