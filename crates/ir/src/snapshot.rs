//! Snapshots: how CPython's frames are made from the values of a superblock.
//!
//! # Why
//!
//! While a superblock runs, CPython's frames are stale: locals and stack live in values, often unboxed; frames of inlined
//! callees do not exist at all; objects that nobody else has seen were never built. Each op that may leave the superblock,
//! or may run code that looks at frames, names a snapshot that says how to make the frames that CPython would have at
//! that point. Making them is the work of one routine that reads the snapshot, not of code for each exit.
//!
//! # Frames
//!
//! [`Snapshot::frames`] lists frames from the one where the superblock began (it is in memory already) to the innermost.
//! Some frames are *in memory*: the first, and those that `push_frame` or an instruction of tier 1 pushed since. The others
//! are *virtual*: an exit pushes them, and they say which function they belong to ([`FrameState::function`]). Frames in
//! memory come first. Among the virtual ones may be frames of generators: see below.
//!
//! Each frame has the position of its current instruction. In all frames but the innermost that is a call, which goes on
//! when the frame above returns (for a call that makes an instance of a class and runs its `__init__`: the position where it goes on). What happens in the innermost is the snapshot's [`Resume`]:
//!
//! * `at`: the instruction is executed (again). Nothing that it does has been done.
//! * `after`: the instruction is done, and execution goes on with the next one.
//! * `raise`: the instruction has raised the exception that is set; the frame is unwound from there.
//! * `landed`: execution goes on from where tier 1 has got to, whatever frame that is in. See below.
//!
//! # Slots and ownership
//!
//! A slot of a frame owns a reference. [`Slot`] says how it gets one:
//!
//! | text | content | reference |
//! |---|---|---|
//! | `_` | what is in memory | the one that is in memory |
//! | `null` | null | |
//! | `v1` | the object; the int, float or bool if the value is unboxed | a new one is taken |
//! | `own v1` | the object | the superblock's own passes to the slot |
//! | `virt1` | the virtual object, built once however often it is named | each slot has one |
//!
//! Writing a slot does not drop the reference that was there. A superblock that overwrites local 0 loads it, and drops the
//! old object where CPython would; from then on, memory is stale, so no snapshot may call that slot `_`. The rule for whoever
//! makes superblocks: *at an exit, each reference that the superblock owns is passed on exactly once, by an `own` of
//! the snapshot*. The tier 2 interpreter's toy runtime counts references and finds violations.
//!
//! # Virtual objects
//!
//! [`Virtual`] describes an object by its kind and fields. Fields are slots as above without `_`; fields that are numbers
//! (positions of iterators) take unboxed values. A field may name another virtual object with a lower number, so there are
//! no cycles. `materialize` builds a virtual object in the superblock; later snapshots name the value then, not the virtual.
//! Changing a virtual object means describing another one.
//!
//! # Other code looking at frames
//!
//! An op that *escapes* may run Python code, which may look at the frames below it (`sys._getframe`, tracebacks), read their
//! locals, and change them through `f_locals`. Its snapshot is *published* before: frames are written as for an exit, and
//! virtual ones pushed. When the op is done, it is *withdrawn*: virtual frames are popped, and the superblock owns again what it
//! owned before. For ops that seldom escape, `decref` above all, publishing belongs on the slow path.
//!
//! What may have happened meanwhile is noticed by the `check_validity` that must follow:
//!
//! * A local was changed. Memory is right and the superblock's value is not: the check exits, and in its exit the slot
//!   keeps what it was changed to, whatever the snapshot says. (The snapshot must agree with the published one about who owned the old
//!   content: the change dropped it.)
//! * A virtual object that was built for publishing was kept by someone. The check exits, and its exit names the object that
//!   there is, so that no second copy is ever seen.
//! * A dependency broke, tools were switched on: the executor is invalid. The check exits.
//!
//! # Instructions that tier 1 executes
//!
//! `execute` hands one instruction to tier 1, which works on frames in memory. So its snapshot has no virtual frames and every
//! slot is `_`: what the superblock held was spilled before. Nothing is to be published but positions and the heights of
//! stacks, and nothing is withdrawn. Borrowed values that frames owned are good no longer; the superblock loads anew.
//!
//! The instruction leads to a *landing*: a position in some frame, an exception to be unwound, or the end of the activation.
//! `guard_landed` directly after it goes on if that is where it was when the superblock was recorded. If not, there are no
//! frames to be made, since memory is right: the exit's resume is `landed`, and its snapshot only says which frames would
//! have been in memory. `leave_landed` leaves in that way always; its snapshot has the frames of the `execute`.
//!
//! `return_value` does what a RETURN instruction does, and leads to a landing as well. If it leaves the frame where the superblock
//! began, execution can go on in the superblock: from the `guard_landed` on, the caller is the first frame.
//!
//! # Generators
//!
//! The frame of a generator is always there, within the generator ([`FrameState::generator`] names that). What a superblock does
//! without is pushing it: `resume_generator` only says that the generator runs, so that nobody else can resume it, and
//! `suspend_generator` that it is suspended again. Between the two its slots are read and written where they are, or live in values, and
//! `_` in a snapshot means what is in the generator. An exit, and whoever publishes the snapshot, links the frame to the one
//! below it and makes it the thread's current one, with all that belongs to that (the stack of handled exceptions). When
//! the snapshot is withdrawn, the frame is unlinked, and the generator runs on.
//!
//! The generator is alive because something else refers to it: as a rule, the stack of the frame that resumed it.
//!
//! A superblock that begins in the frame of a generator may follow it to whoever resumed it: `unlink_first`. Then the first frame of
//! snapshots is the one below.
//!
//! Before tier 1 executes an instruction, `push_generator` links the frame for good: now it is one of the frames in memory.
//! `pop_generator` takes that back.
//!
//! # Effects and exits
//!
//! Exiting with `at` means executing the instruction from its beginning in tier 1. So between the first op that refers
//! to such a snapshot and an op that may exit with it, nothing may have changed memory. With `after` and `raise`, nothing may
//! have changed between two such exits of the same instruction. References are no such change: the snapshot says who
//! owns what, and two snapshots of one position may differ in that.

use crate::entities::{CodeRef, Value, VirtualId};
use crate::fields::OperandKind;
use crate::types::Type;

/// What the innermost frame does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Resume {
    /// It executes the instruction, none of which has been done.
    At,
    /// It goes on after the instruction, all of which has been done.
    After,
    /// It unwinds from the instruction, with the exception that is set.
    Raise,
    /// Execution goes on where tier 1 has landed; nothing is written.
    Landed,
}

impl Resume {
    /// Every kind.
    pub const ALL: [Resume; 4] = [Resume::At, Resume::After, Resume::Raise, Resume::Landed];

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Resume::At => "at",
            Resume::After => "after",
            Resume::Raise => "raise",
            Resume::Landed => "landed",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Resume> {
        Resume::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// The content of a local, a stack item or a field of a virtual object. See the module's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// What is in memory.
    Unchanged,
    /// Null.
    Null,
    /// The value, boxed if need be; a new reference is taken.
    Value(Value),
    /// The object, with a reference that the superblock owned.
    Owned(Value),
    /// A virtual object.
    Virtual(VirtualId),
}

impl Slot {
    /// The value that it refers to, if any.
    pub const fn value(self) -> Option<Value> {
        match self {
            Slot::Value(v) | Slot::Owned(v) => Some(v),
            Slot::Unchanged | Slot::Null | Slot::Virtual(_) => None,
        }
    }
}

/// The state of a frame.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FrameState {
    /// Its code.
    pub code: CodeRef,
    /// The index of its current instruction, in code units.
    pub pc: u32,
    /// The function that it runs, if it is virtual; none if it is in memory or a generator's.
    pub function: Option<Slot>,
    /// The generator that it is the frame of, if it is not pushed. Always a [`Slot::Value`], of which no reference is taken.
    pub generator: Option<Slot>,
    /// All its locals: arguments, variables, cells, free variables.
    pub locals: Vec<Slot>,
    /// Its value stack, from the bottom.
    pub stack: Vec<Slot>,
}

impl FrameState {
    /// Whether it is in memory already.
    pub const fn is_in_memory(&self) -> bool {
        self.function.is_none() && self.generator.is_none()
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.function.iter().chain(&self.generator).chain(&self.locals).chain(&self.stack).copied()
    }

    /// All slots, to be changed.
    pub fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.function.iter_mut().chain(&mut self.generator).chain(&mut self.locals).chain(&mut self.stack)
    }
}

/// A snapshot. See the module's documentation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Snapshot {
    /// What the innermost frame does next.
    pub resume: Resume,
    /// The frames, the innermost last.
    pub frames: Vec<FrameState>,
    /// For statistics: how many instructions are done when an exit with this snapshot is taken, since the superblock was entered. Rounds of
    /// the loop that are complete do not count: each is [`LoopBody::instructions`](crate::LoopBody::instructions).
    pub instructions: u32,
}

impl Snapshot {
    /// A snapshot of no instructions.
    pub const fn new(resume: Resume, frames: Vec<FrameState>) -> Snapshot {
        Snapshot { resume, frames, instructions: 0 }
    }

    /// How many of its frames are in memory.
    pub fn in_memory(&self) -> usize {
        self.frames.iter().take_while(|f| f.is_in_memory()).count()
    }

    /// All slots of all frames.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.frames.iter().flat_map(FrameState::slots)
    }
}

/// What a superblock says of a virtual object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Virtual {
    /// What it is.
    pub kind: VirtualKind,
    /// Its fields.
    pub fields: Vec<Slot>,
}

macro_rules! virtual_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:ident[$($field:ident),*] $(+ $rest:ident)?;)*) => {
        /// What a virtual object is, and so which fields it has.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum VirtualKind { $($(#[$doc])* $variant),* }

        impl VirtualKind {
            /// Every kind.
            pub const ALL: &[VirtualKind] = &[$(VirtualKind::$variant),*];

            /// The name in the text format.
            pub const fn name(self) -> &'static str {
                match self { $(VirtualKind::$variant => stringify!($name)),* }
            }

            /// The fields that it always has, and whether any number of objects may follow.
            pub const fn fields(self) -> (&'static [OperandKind], bool) {
                match self {
                    $(VirtualKind::$variant =>
                        (&[$(virtual_kinds!(@field $field)),*], [$(stringify!($rest),)? ""].len() == 2),)*
                }
            }

            /// The type that the field with this number has when the object is built.
            pub fn field_type(self, index: usize) -> Type {
                if let Some(OperandKind::Unboxed(ty)) = self.fields().0.get(index) { *ty } else { Type::Obj }
            }

            /// The kind with this name.
            pub fn from_name(name: &str) -> Option<VirtualKind> {
                VirtualKind::ALL.iter().copied().find(|k| k.name() == name)
            }
        }
    };
    (@field obj) => { OperandKind::Any };
    (@field i64) => { OperandKind::Unboxed(Type::I64) };
    (@field f64) => { OperandKind::Unboxed(Type::F64) };
}

virtual_kinds! {
    /// An int of this value. A slot can hold the unboxed value as well; this is for boxes that several slots share.
    Int = int[i64];
    /// A float of this value; as with ints.
    Float = float[f64];
    /// A tuple of these items.
    Tuple = tuple[] + items;
    /// A list of these items.
    List = list[] + items;
    /// A slice: start, stop, step.
    Slice = slice[obj, obj, obj];
    /// A range: start, stop, step.
    Range = range[i64, i64, i64];
    /// A bound method: function, receiver.
    BoundMethod = bound_method[obj, obj];
    /// A closure cell: content.
    Cell = cell[obj];
    /// An instance with inline values: class, attributes in the order of its keys.
    Instance = instance[obj] + attributes;
    /// A list iterator: list, index of the next item.
    ListIter = list_iter[obj, i64];
    /// A tuple iterator: tuple, index of the next item.
    TupleIter = tuple_iter[obj, i64];
    /// A range iterator: next number, step, how many are left.
    RangeIter = range_iter[i64, i64, i64];
}
