//! Counting the references that a superblock owns.

use hotspur_ir::{Inst, Op, OperandKind, Superblock, Value};

/// By how many the op changes the number of references that the superblock owns to what the value is.
pub(crate) fn change(inst: &Inst, v: Value) -> i32 {
    let taken = if let Op::Incref { value } = inst.op { i32::from(value == v) } else { 0 };
    // Results are new references, or borrowed.
    let made = i32::from(inst.result == Some(v) && inst.op.result() == hotspur_ir::ResultKind::New);
    let stolen = inst.op.operands().iter().filter(|&&(o, kind)| o == v && kind == OperandKind::Stolen).count();
    taken + made - stolen as i32
}

/// Whether the op is only about references to the value.
pub(crate) fn counts(op: &Op, v: Value) -> bool {
    if let Op::Incref { value }
    | Op::Decref { value }
    | Op::Xdecref { value }
    | Op::DecrefNoDealloc { value }
    | Op::XdecrefNoDealloc { value } = *op
    {
        value == v
    } else {
        false
    }
}

/// How many references to what the value is the superblock owns at the end of these ops, if it owned none before.
pub(crate) fn total(insts: &[Inst], v: Value) -> i32 {
    insts.iter().map(|i| change(i, v)).sum()
}

/// The op that defines the value, in the prefix or the loop.
pub(crate) fn definition(sb: &Superblock, v: Value) -> Option<&Inst> {
    sb.insts().find(|i| i.result == Some(v))
}
