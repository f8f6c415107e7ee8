//! Sizes of code, and what is refused.

#[allow(dead_code, reason = "no test uses all of it")]
mod native;

use hotspur_codegen::*;
use hotspur_ir::{AbortReason, CodeRef, ObjRef};

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

fn compile(text: &str) -> Result<Code, Refusal> {
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
    let mut compiler = Compiler::new(Options::default()).expect("a compiler");
    compiler.compile(&native::superblock(text), &environment)
}

#[test]
fn exits_are_small() {
    let examples = [
        include_str!("../examples/while.sb"),
        include_str!("../examples/boxed.sb"),
        include_str!("../examples/calls.sb"),
    ];
    for text in examples {
        let code = compile(text).expect("machine code");
        assert!(code.bytes_per_exit() <= 20.0, "{} bytes for each exit of\n{text}", code.bytes_per_exit());
        let Sizes { total, exits, shared_exits, slow_paths } = code.sizes;
        assert!(exits + shared_exits + slow_paths < total && total as usize == code.bytes().len());
        assert_eq!(code.exits.iter().map(|e| e.size).sum::<u32>(), exits);
        assert!(code.exits.iter().all(|e| e.size > 0));
    }
}

/// A superblock with an exit that needs so many values.
fn with_live_values(count: usize) -> String {
    let params = "v0: i64";
    let add = |i: usize| format!("v{} = add_i64 v{i}, v0\n", i + 1);
    let ops: String = (0..count - 1).map(add).collect();
    let slots: Vec<String> = (0..count).map(|i| format!("v{i}")).collect();
    let slots = slots.join(", ");
    format!(
        "superblock code0 @ 0 ({params}) {{\n{ops}exit end_of_trace [snap0]\n}}\n\
         snap0 = at code0 @ 0 locals [{slots}] stack []\n"
    )
}

#[test]
fn live_values_are_limited() {
    let ran = native::run(&with_live_values(MAX_VALUES), &native::Given { args: &[3], ..Default::default() });
    assert_eq!(ran.live, (1..=MAX_VALUES as u64).map(|n| 3 * n).collect::<Vec<_>>());
    let refusal = compile(&with_live_values(MAX_VALUES + 1)).expect_err("too many");
    assert_eq!(refusal.reason, AbortReason::SnapshotTooLarge);
}

#[test]
fn code_memory_is_limited() {
    let mut compiler = Compiler::new(Options::default()).expect("a compiler");
    let code = compile(include_str!("../examples/boxed.sb")).expect("machine code");
    // SAFETY: nothing is executed.
    let mut space = unsafe { CodeSpace::new(&mut compiler, &native::functions(), 1 << 14) }.expect("memory");
    let before = space.statistics();
    let mut installed = Vec::new();
    let refusal = loop {
        // SAFETY: as above.
        match unsafe { space.install(&code) } {
            Ok(i) => installed.push(i),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.reason, AbortReason::OutOfMemory);
    assert!(installed.len() > 10 && space.statistics().used > space.statistics().capacity / 2);
    for i in installed {
        // SAFETY: as above.
        unsafe { space.remove(i) };
    }
    assert_eq!((space.statistics().used, space.statistics().pieces), (before.used, before.pieces));
    // SAFETY: as above.
    assert!(unsafe { space.install(&code) }.is_ok());
}

#[test]
fn compiling_happens_on_any_thread() {
    let mut compiler = Compiler::new(Options::default()).expect("a compiler");
    let sb = native::superblock(include_str!("../examples/while.sb"));
    let compile = move || {
        let exits = ExitTable { base: 0, stride: 8, code: 0 };
        compiler.compile(
            &sb,
            &Environment {
                layout: None,
                constants: &Somewhere,
                exits,
                valid: 0,
                epoch: 0,
                prologue: None,
                bridge: None,
                failing: None,
                lists: false,
            },
        )
    };
    let code = std::thread::spawn(compile).join().expect("no panic").expect("machine code");
    assert_eq!(code.exits.len(), 10);
}
