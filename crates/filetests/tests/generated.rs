//! Random superblocks: the tier 2 interpreter and machine code do the same.

use hotspur_codegen::{Options, Sizes};
use hotspur_filetests::generate::{Program, Recipe, generate};
use hotspur_filetests::machine_code::{self, Engine};
use hotspur_filetests::shown;
use hotspur_interp::run;
use hotspur_ir::{Opcode, verify};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How many programs, always the same ones. `HOTSPUR_CASES` says otherwise: so many, others each time.
const CASES: u32 = 1000;
/// More ops than any program executes.
const FUEL: u64 = 1_000_000;

fn recipes() -> impl Strategy<Value = Recipe> {
    let steps = |n| proptest::collection::vec(any::<(u8, u32)>(), 0..n);
    let surprise = proptest::option::weighted(0.3, any::<(u8, u8)>());
    (steps(30), proptest::option::of(steps(25)), any::<u8>(), any::<u32>(), surprise)
        .prop_map(|(prefix, body, end, world, surprise)| Recipe { prefix, body, end, world, surprise })
}

/// What the interpreter makes of it.
fn interpreted(program: &Program, has_layout: bool) -> (String, &'static str) {
    let mut toy = program.toy();
    if has_layout {
        toy.periods = u64::MAX;
    }
    let args = program.args();
    let outcome = run(&program.superblock, &mut toy, &args, FUEL);
    let outcome = outcome.unwrap_or_else(|v| panic!("{v}\n{}", program.superblock));
    let text = shown(&mut toy, &outcome);
    assert_eq!(toy.check(&[]), Vec::<String>::new(), "\n{text}\n{}", program.superblock);
    (text, outcome.reason.name())
}

#[test]
fn both_engines_do_the_same() {
    let wanted = std::env::var("HOTSPUR_CASES").ok().and_then(|n| n.parse().ok());
    let cases = wanted.unwrap_or(CASES);
    let engine = RefCell::new(Engine::new(Options { checked: true, optimize: true }).expect("an engine"));
    let taken: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let executed: RefCell<BTreeMap<String, usize>> = RefCell::default();
    // Bytes of exits, and exits.
    let bytes: RefCell<(u64, u64)> = RefCell::default();
    let config =
        ProptestConfig { cases, max_shrink_iters: 5000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = if wanted.is_some() {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let result = runner.run(&recipes(), |recipe| {
        let program = generate(&recipe);
        let sb = &program.superblock;
        prop_assert_eq!(verify(sb), Ok(()), "\n{}", sb);
        let mut reason = "";
        let mut sizes = Sizes::default();
        for has_layout in [true, false] {
            let (expected, why) = interpreted(&program, has_layout);
            reason = why;
            let mut toy = program.toy();
            if has_layout {
                // Code asks the thread itself, of which nothing is ever asked.
                toy.periods = u64::MAX;
            }
            let layout = has_layout.then(|| machine_code::layout(&mut toy));
            let ran = engine.borrow_mut().run(sb, &mut toy, &program.args(), layout.as_ref());
            let (outcome, code) = ran.expect("machine code");
            let actual = shown(&mut toy, &outcome);
            prop_assert_eq!(&actual, &expected, "layout: {}\n{}", has_layout, sb);
            sizes = code.sizes;
        }
        let mut bytes = bytes.borrow_mut();
        bytes.0 += u64::from(sizes.exits + sizes.shared_exits);
        bytes.1 += sb.exits().count() as u64;
        *taken.borrow_mut().entry(reason).or_default() += 1;
        for inst in sb.insts() {
            *executed.borrow_mut().entry(inst.op.info().name.to_owned()).or_default() += 1;
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    // The generator is worth something only if it leaves nothing out.
    let (taken, executed) = (taken.into_inner(), executed.into_inner());
    let (bytes, exits) = bytes.into_inner();
    let mean = bytes as f64 / exits as f64;
    eprintln!("{taken:?}\nbytes for each exit: {mean:.1}");
    if cases >= CASES {
        let not_made = [
            "load_slot",
            "store_slot",
            "module_dict",
            "store_global",
            "guard_shared_keys_version",
            "guard_instance_keys_version",
        ];
        let missing: Vec<&str> = Opcode::ALL
            .iter()
            .map(|o| o.info().name)
            .filter(|n| !executed.contains_key(*n) && !not_made.contains(n))
            .collect();
        assert!(missing.is_empty(), "never generated: {missing:?}");
        assert!(mean <= 36.0, "{mean} bytes for each exit");
        assert!(taken.len() > 15, "only these exits: {taken:?}");
    }
}
