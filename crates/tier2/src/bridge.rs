//! Bridges: executors that grow from a side exit and take over from it where it stands, without any frame being written.
//!
//! A bridge's parameters are the values that its exit's snapshot needs ([`hotspur_ir::Superblock::live`]). In machine code, the exit has
//! left them in the state, and jumps to the bridge's code, which takes them from there. In the tier 2 interpreter they are passed
//! as arguments. (Recording one: `inherit.rs` of the recorder.)
//!
//! What the parent's guards say of the values at the exit is passed on to the recording, as far as nothing can change it: classes that are static
//! types, constants, whether a value may be null.

use crate::executor::Executor;
use crate::exits::Exit;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_ir::{ExitReason, Inst, ObjRef, Op, ResultKind, Resume, Slot, Superblock, Value, Virtual, VirtualId};
use hotspur_recorder::{Inherited, InheritedFrame, InheritedValue};
use std::collections::HashMap;

/// Whether the exit can lead to a bridge: it leaves the frames that its snapshot describes, of which the first alone is in memory. Where a loop
/// begins, a trace becomes that loop only if it can go round, and what a bridge begins with is there once.
fn can_lead_to(executor: &Executor, exit: &Exit) -> bool {
    let snapshot = &executor.trace().superblock.snapshots[exit.snapshot];
    matches!(exit.resume, Resume::At | Resume::After)
        && exit.leaves.is_none()
        && exit.reason != ExitReason::InnerLoop
        && !exit.is_dynamic()
        && snapshot.in_memory() == 1
        && executor.trace().superblock.live(exit.snapshot).len() <= hotspur_codegen::MAX_VALUES
}

/// What a recording from an exit inherits. None if it has to begin with frames in memory.
///
/// # Safety
/// GIL held, the executor valid, and the exit just taken, by whoever calls.
pub unsafe fn inherited(executor: &Executor, exit: usize) -> Option<Inherited> {
    let number = exit;
    let exit = &executor.exits()[number];
    if !can_lead_to(executor, exit) {
        return None;
    }
    let sb = &executor.trace().superblock;
    let live = sb.live(exit.snapshot);
    let facts = Facts::at_exit(executor, number);
    let place: HashMap<Value, Value> = live.iter().enumerate().map(|(i, &v)| (v, Value::from_u32(i as u32))).collect();
    let renamed = |slot: Slot| match slot {
        Slot::Value(v) => Slot::Value(place[&v]),
        Slot::Owned(v) => Slot::Owned(place[&v]),
        Slot::Unchanged | Slot::Null | Slot::Virtual(_) => slot,
    };
    let all = |slots: &[Slot]| slots.iter().map(|&s| renamed(s)).collect::<Vec<_>>();
    let mut virtuals = HashMap::new();
    let mut left: Vec<Slot> = sb.snapshots[exit.snapshot].slots().collect();
    while let Some(slot) = left.pop() {
        let Slot::Virtual(id) = slot else { continue };
        let Virtual { kind, fields } = &sb.virtuals[id];
        left.extend(fields);
        virtuals.insert(id, Virtual { kind: *kind, fields: all(fields) });
    }
    let virtuals: HashMap<VirtualId, Virtual> = virtuals;
    let frames = sb.snapshots[exit.snapshot].frames.iter().map(|f| InheritedFrame {
        code: executor.trace().code(f.code),
        pc: f.pc,
        function: f.function.map(renamed),
        generator: f.generator.map(renamed),
        locals: all(&f.locals),
        stack: all(&f.stack),
    });
    let frames = frames.collect();
    Some(Inherited { frames, values: live.into_iter().map(|v| facts.of(sb, v)).collect(), virtuals })
}

/// The class of what an op makes.
fn class_made_by(op: &Op) -> Option<*mut PyTypeObject> {
    use hotspur_cpython_sys::{PyMethod_Type, ffi};
    match op {
        Op::BoxI64 { .. } | Op::ReboxI64 { .. } => Some(&raw mut ffi::PyLong_Type),
        Op::BoxF64 { .. } | Op::ReboxF64 { .. } => Some(&raw mut ffi::PyFloat_Type),
        Op::NewTuple { .. } => Some(&raw mut ffi::PyTuple_Type),
        Op::NewList { .. } => Some(&raw mut ffi::PyList_Type),
        Op::NewSlice { .. } => Some(&raw mut ffi::PySlice_Type),
        Op::NewBoundMethod { .. } => Some(&raw mut PyMethod_Type),
        Op::NewCell { .. } => Some(&raw mut ffi::PyCell_Type),
        _ => None,
    }
}

/// A constant of the executor, if it is alive as long as the executor is valid.
fn known(executor: &Executor, constant: ObjRef) -> Option<*mut PyObject> {
    let constant = executor.trace().object(constant);
    executor.trace().is_alive(&constant).then_some(constant.object)
}

/// What is known of values where an exit is taken.
#[derive(Default)]
struct Facts {
    classes: HashMap<Value, *mut PyTypeObject>,
    constants: HashMap<Value, *mut PyObject>,
    not_null: std::collections::HashSet<Value>,
}

impl Facts {
    /// Walks the superblock up to the exit.
    fn at_exit(executor: &Executor, exit: usize) -> Facts {
        let mut facts = Facts::default();
        let mut left = exit;
        for inst in executor.trace().superblock.insts() {
            if inst.op.exit_reason().is_some() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            facts.note(executor, inst);
        }
        facts
    }

    /// What is so once the op has gone on.
    fn note(&mut self, executor: &Executor, inst: &Inst) {
        let object = |object| executor.trace().object(object).object;
        match inst.op {
            Op::GuardType { value, class } => {
                self.not_null.insert(value);
                let class: *mut PyTypeObject = object(class).cast();
                // SAFETY: the executor is valid, so its constants are live.
                if unsafe { hotspur_recorder::is_static(class) } {
                    self.classes.insert(value, class);
                }
            }
            Op::GuardTypeVersion { value, .. } | Op::GuardNotNull { value } => _ = self.not_null.insert(value),
            Op::GuardIs { value, object: constant } => {
                self.not_null.insert(value);
                self.constants.extend(known(executor, constant).map(|object| (value, object)));
            }
            Op::ConstObj { object: constant } => self.constants.extend(inst.result.zip(known(executor, constant))),
            _ => {}
        }
        self.classes.extend(inst.result.zip(class_made_by(&inst.op)));
        let is_there = inst.op.result() == ResultKind::New
            && !matches!(inst.op, Op::Adopt { .. } | Op::CallHelper { .. })
            || matches!(
                inst.op,
                Op::ConstObj { .. } | Op::LoadItem { .. } | Op::LoadTupleItem { .. } | Op::TypeOf { .. }
            );
        if is_there {
            self.not_null.extend(inst.result);
        }
        if let Op::CheckError { value } = inst.op {
            self.not_null.insert(value);
        }
    }

    fn of(&self, sb: &Superblock, v: Value) -> InheritedValue {
        let constant = self.constants.get(&v).copied().unwrap_or(core::ptr::null_mut());
        let class = self.classes.get(&v).copied().unwrap_or(core::ptr::null_mut());
        InheritedValue {
            ty: sb.values[v],
            class,
            constant,
            nullable: !self.not_null.contains(&v) && constant.is_null(),
        }
    }
}
