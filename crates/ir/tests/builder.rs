//! Building a superblock, and what is said of it.

use cranelift_entity::EntityRef;
use hotspur_ir::*;
use std::collections::HashSet;

fn at(pc: u32, locals: Vec<Slot>) -> Snapshot {
    let frame = FrameState { code: CodeRef::new(0), pc, function: None, generator: None, locals, stack: vec![] };
    Snapshot::new(Resume::At, vec![frame])
}

/// `while n > 0: n -= 1`, with `n` unboxed.
fn countdown() -> Superblock {
    let mut b = Builder::new(CodeRef::new(0), 4);
    let entry = b.snapshot(at(4, vec![Slot::Unchanged]));
    let n = b.load_local(0, 0);
    b.guard_type(n, ObjRef::new(0));
    b.guard_compact(n);
    let n = b.unbox_i64(n);
    let (zero, one) = (b.const_i64(0), b.const_i64(1));
    b.enter_loop(&[n]);
    b.begin_loop();
    let n = b.param(Type::I64);
    b.snapshot(at(4, vec![Slot::Value(n)]));
    b.check_periodic();
    b.guard_cmp_i64(Cond::Gt, n, zero);
    let n = b.sub_i64(n, one);
    b.jump_loop(&[n]);
    b.set_snapshot(entry);
    b.finish()
}

#[test]
fn built_superblock_is_as_printed() {
    let sb = countdown();
    assert_eq!(verify(&sb), Ok(()));
    assert_eq!(sb.canonical(), sb);
    let expected = "\
superblock code0 @ 4 () {
    v0 = load_local 0, 0
    guard_type v0, obj0 [snap0]
    guard_compact v0 [snap0]
    v1 = unbox_i64 v0
    v2 = const_i64 0
    v3 = const_i64 1
    enter_loop [v1]
loop (v4: i64):
    check_periodic [snap1]
    guard_cmp_i64 gt, v4, v2 [snap1]
    v5 = sub_i64 v4, v3
    jump_loop [v5]
}
snap0 = at
    code0 @ 4 locals [_] stack []
snap1 = at
    code0 @ 4 locals [v4] stack []
";
    assert_eq!(sb.to_string(), expected);
}

#[test]
fn exits_are_numbered_in_program_order() {
    let sb = countdown();
    let exits: Vec<_> = sb.exits().map(|e| (e.id.index(), e.snapshot.index(), e.reason)).collect();
    let expected = [
        (0, 0, ExitReason::WrongType),
        (1, 0, ExitReason::NotCompact),
        (2, 1, ExitReason::Periodic),
        (3, 1, ExitReason::OtherBranch),
    ];
    assert_eq!(exits, expected);
}

#[test]
fn reasons_have_names_of_their_own() {
    let abort = AbortReason::ALL.iter().map(|r| (r.name(), r.message(), AbortReason::from_name(r.name()) == Some(*r)));
    let exit = ExitReason::ALL.iter().map(|r| (r.name(), r.message(), ExitReason::from_name(r.name()) == Some(*r)));
    let invalid = InvalidationReason::ALL
        .iter()
        .map(|r| (r.name(), r.message(), InvalidationReason::from_name(r.name()) == Some(*r)));
    for table in [abort.collect::<Vec<_>>(), exit.collect(), invalid.collect()] {
        assert!(table.iter().all(|r| r.2 && !r.1.ends_with('.')));
        assert_eq!(table.iter().map(|r| r.0).collect::<HashSet<_>>().len(), table.len());
    }
}

/// Rules of the table itself that no type expresses.
#[test]
fn the_table_is_consistent() {
    for &opcode in Opcode::ALL {
        let info = opcode.info();
        let effects = info.effects;
        assert!(!(effects.escapes && effects.exits.is_some()), "{}: its snapshot would mean two things", info.name);
        assert!(effects.ends == Ends::Nothing || info.result == ResultKind::None, "{}: nobody gets it", info.name);
        assert!(!effects.allocates || info.result == ResultKind::New, "{}: the new object is lost", info.name);
        assert!(!effects.raises, "{}: only helpers raise", info.name);
    }
    for &helper in Helper::ALL {
        let info = helper.info();
        assert!(info.effects.exits.is_none() && info.effects.ends == Ends::Nothing, "{}: a call goes on", info.name);
        let can_say_so = matches!(info.result, ResultKind::New | ResultKind::I64);
        assert!(!info.effects.raises || can_say_so, "{}: no result means an error", info.name);
        assert!(!info.effects.escapes || info.effects.raises, "{}: what escapes raises", info.name);
    }
}
