//! The verifier: rules that a superblock obeys.
//!
//! [`verify`] finds every violation. Each rule has a name, which errors begin with, and a filetest that violates it.
//!
//! Shape:
//!
//! * `terminator`: each section ends with a terminator and has no other. Without a loop that is one that leaves; with a
//!   loop, the prefix ends with `enter_loop` and the loop with `jump_loop`.
//! * `loop_args`: `enter_loop` and `jump_loop` give each parameter of the loop a value of its type.
//!
//! Values:
//!
//! * `defined_once`: no value is defined twice.
//! * `dominance`: a value is defined before it is used: by an op, a snapshot, or a virtual object that a snapshot names.
//! * `operand_type`: operands have the types of the table. What is `own` or `obj` there, reference counts above all, is
//!   an object.
//! * `result`: an op defines a value exactly if the table says so, of the type it says.
//! * `helper_args`: a helper is given as many arguments as it takes.
//!
//! Snapshots:
//!
//! * `snapshot_missing`: an op that may exit or escape names a snapshot.
//! * `snapshot_unwanted`: no other op does.
//! * `entity`: snapshots and virtual objects that are named exist.
//! * `owned_object`: only objects are `own`.
//! * `slot_type`: raw addresses are in no slot, and a frame's function is an object.
//! * `frames`: a snapshot has the frames that are in memory, then virtual ones, whose slots are not `_`, and those of generators, which
//!   no two frames name and which are values. Ops on frames in memory name one that there is. Round the loop their number stays the same. Only
//!   before `leave_landed` may `execute` leave the frame where the superblock began.
//! * `virtual_fields`: a virtual object has the fields of its kind.
//! * `virtual_order`: virtual objects name only virtual objects with lower numbers.
//! * `virtual_dead`: a virtual object that was materialized is not used again, nor is one within it.
//! * `resume`: `check_error` and `check_negative` resume with `raise`, no other op that exits does, and `dynamic_exit` and `link`
//!   resume with `at`. `guard_landed` and `leave_landed` resume with `landed`, and nothing else does.
//! * `landing`: `execute` and `return_value` are followed at once by `guard_landed` or `leave_landed`; these follow nothing else. The snapshots
//!   of the four have frames in memory only, and every slot is `_`. That of `execute` is `at` its position; `guard_landed`
//!   names the code, position and height of the stack of its snapshot's top frame.
//!
//! Effects:
//!
//! * `effect_order`: where an op may exit with a snapshot `at` an instruction, no side effect has happened since that
//!   snapshot, or another of the same position, was first used. With `after` and `raise`: since an op first might have
//!   exited there. (That is: as long as ops name snapshots of the same instruction, in the same frames; `check_periodic`
//!   begins an instruction, `resume_generator` and `suspend_generator` end one.) Bringing frames to memory is no such effect
//!   before a `link`.
//!   What changes nothing if it cannot has happened only behind the guard that looks at its answer.
//! * `error_check`: an op that raises is followed at once by `check_error` or `check_negative` of its result; these follow
//!   nothing else.
//! * `validity`: between an op that escapes and the next `check_validity` (or `guard_landed`), there are only ops on references, checks of the
//!   error, `pop_frame`, and ops that neither read nor write memory nor leave (`exit` and `leave_landed`
//!   excepted).

mod effects;
mod landings;
mod snapshots;
mod values;

use crate::ops::Op;
use crate::superblock::{Inst, Superblock};
use core::fmt;

macro_rules! rules {
    ($($variant:ident = $name:ident;)*) => {
        /// A rule of the verifier. See the module's documentation.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule { $(#[doc = concat!("`", stringify!($name), "`")] $variant),* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$variant),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$variant => stringify!($name)),* }
            }
        }
    };
}

rules! {
    Terminator = terminator;
    LoopArgs = loop_args;
    DefinedOnce = defined_once;
    Dominance = dominance;
    OperandType = operand_type;
    Result = result;
    HelperArgs = helper_args;
    SnapshotMissing = snapshot_missing;
    SnapshotUnwanted = snapshot_unwanted;
    Entity = entity;
    OwnedObject = owned_object;
    SlotType = slot_type;
    Frames = frames;
    VirtualFields = virtual_fields;
    VirtualOrder = virtual_order;
    VirtualDead = virtual_dead;
    Resume = resume;
    Landing = landing;
    EffectOrder = effect_order;
    ErrorCheck = error_check;
    Validity = validity;
}

/// A violation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// The rule.
    pub rule: Rule,
    /// Where: the op as text, or a virtual object.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.message)?;
        if self.place.is_empty() { Ok(()) } else { write!(f, ", in `{}`", self.place) }
    }
}

impl std::error::Error for Error {}

/// Where violations are collected.
#[derive(Default)]
struct Report {
    errors: Vec<Error>,
}

impl Report {
    fn add(&mut self, rule: Rule, place: &impl ToString, message: String) {
        self.errors.push(Error { rule, place: place.to_string(), message });
    }
}

/// What happens at a point of the walk in program order.
enum Step<'a> {
    /// An op of the prefix or the loop.
    Inst(&'a Inst),
    /// The loop begins.
    LoopHeader,
}

fn walk(sb: &Superblock) -> impl Iterator<Item = Step<'_>> {
    let body = sb.body.iter().flat_map(|b| std::iter::once(Step::LoopHeader).chain(b.insts.iter().map(Step::Inst)));
    sb.prefix.iter().map(Step::Inst).chain(body)
}

/// Whether the op pushes (1) or pops (-1) a frame in memory.
fn frame_change(op: &Op) -> i32 {
    if let Op::PushFrame { .. } | Op::PushGenerator { .. } = op {
        1
    } else if let Op::PopFrame {} | Op::PopGenerator {} | Op::ReturnValue { .. } = op {
        -1
    } else if let Op::Execute { moves, .. } = op {
        moves.change()
    } else {
        0
    }
}

/// Checks all rules.
///
/// # Errors
/// The violations, in the order of the rules' groups.
pub fn verify(sb: &Superblock) -> Result<(), Vec<Error>> {
    let mut report = Report::default();
    // Later groups index tables by ids, so they need to know that ids exist.
    snapshots::entities(sb, &mut report);
    if report.errors.is_empty() {
        values::shape(sb, &mut report);
        values::values(sb, &mut report);
        snapshots::virtuals(sb, &mut report);
        snapshots::snapshots(sb, &mut report);
        landings::landings(sb, &mut report);
        effects::effects(sb, &mut report);
    }
    if report.errors.is_empty() { Ok(()) } else { Err(report.errors) }
}
