//! The recorder's picture of the frames: which values the slots hold, and who owns the references.
//!
//! # Aliases
//!
//! In CPython each local and each stack item owns a reference of its own: LOAD_FAST takes one, POP_TOP drops one. Nearly all of
//! that is in vain, so the recorder does not follow it. Here a slot is an *alias* of a value: loading a local makes another alias,
//! popping takes one away, and neither is a micro-op. What counts is that as long as a value has aliases, something keeps its
//! object alive, and that the object dies where CPython would let it die. A value is kept alive in one of these ways:
//!
//! * It has a *home*: a slot in memory that it was loaded from and that has not been overwritten since. The slot goes on owning
//!   the reference it had before the superblock began.
//! * The superblock *owns* one reference to it: that of an op which makes new objects, or one taken explicitly (`incref`) because the
//!   value was borrowed from the heap, where other code may overwrite it.
//! * It is *held*: a constant that something else keeps alive as long as the superblock's frames are there, or no object at all
//!   but an unboxed truth value.
//!
//! # Moving references
//!
//! * A slot that is a home is overwritten or popped: its reference passes to the superblock. (No op: from now on, memory is
//!   stale there, and snapshots name another content for the slot.)
//! * The last alias of an owned value goes away: CPython's last reference from these frames goes away in the same instruction, so
//!   the superblock drops its own (`drop_dead`), after the instruction has updated the slots, as CPython's handlers do.
//! * An op steals a reference, or a flush writes a slot ([`Frames::take`]): if no alias needs the owned reference any more it is passed on,
//!   else one is taken.
//! * An exit: the first slot that holds an owned value gets the superblock's reference (`own v`), further aliases get new ones
//!   (`v`), homes are left as they are (`_`). So each owned reference is passed on exactly once.
//!
//! A value has at most one home and at most one owned reference, never both.
//!
//! # What is known
//!
//! The exact type of a value, if it is one of CPython's static types (which no assignment to `__class__` changes); the unboxed
//! number that it was made from or was unboxed to. Nothing that other code could change is remembered: such things are
//! guarded where they are used, and removing what is redundant is the optimizer's work.

use crate::trace::{Keep, Object};
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Builder, CodeRef, ExitReason, ObjRef, Resume, SnapshotId, Superblock, Type, Value};
use hotspur_tier1::code::CodeState;
use std::collections::{HashMap, HashSet};

mod generators;
mod memory;

pub(crate) use generators::Suspended;

/// What a local or a stack item holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// What is in memory, not looked at yet. The slot is a home.
    Memory,
    /// Null.
    Null,
    /// A value.
    Value(Value),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub content: Content,
    /// Whether the slot in memory still owns the reference to its content.
    pub home: bool,
}

impl Slot {
    pub const MEMORY: Slot = Slot { content: Content::Memory, home: true };

    fn holding(content: Content) -> Slot {
        Slot { content, home: false }
    }
}

/// A frame of the trace.
pub(crate) struct Frame {
    /// The frame itself. Dangling once it was left: only compared, unless it is known to be among the thread's frames.
    pub real: *mut InterpreterFrame,
    pub cs: *mut CodeState,
    pub code: CodeRef,
    /// The instruction that is being lowered; in frames below the top: the call.
    pub pc: u32,
    pub locals: Vec<Slot>,
    pub stack: Vec<Slot>,
    /// Its function, if the frame does not exist in memory when the superblock runs.
    pub function: Option<Value>,
    /// The generator whose frame it is, if the frame is not among those in memory when the superblock runs.
    pub generator: Option<Value>,
    /// Whether it is the frame of a generator that was pushed.
    pub is_pushed_generator: bool,
    /// Its globals and builtins, once they were loaded: they stay the same, and the frame keeps them alive.
    pub namespaces: [Option<Value>; 2],
    /// How often a back-edge has led to a position in it.
    pub rounds: HashMap<u32, u32>,
}

/// A frame of which nothing is known yet.
pub(crate) fn unseen() -> Frame {
    Frame {
        real: ptr::null_mut(),
        cs: ptr::null_mut(),
        code: CodeRef::from_u32(0),
        pc: 0,
        locals: Vec::new(),
        stack: Vec::new(),
        function: None,
        generator: None,
        is_pushed_generator: false,
        namespaces: [None; 2],
        rounds: HashMap::new(),
    }
}

/// Which slot of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    Local(usize),
    Stack(usize),
}

/// What is known of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    pub aliases: u32,
    owned: bool,
    pub held: bool,
    /// It is an object that may be null.
    pub nullable: bool,
    /// It was guarded to be a compact int.
    pub compact: bool,
    /// As long as the executor is valid, something that is watched has a reference, too.
    pub kept: bool,
    /// The exact type, if that is a static type.
    pub class: *mut PyTypeObject,
    /// The object, if it is a constant.
    pub constant: *mut PyObject,
    /// The same number unboxed.
    pub unboxed: Option<Value>,
    /// It is a function that the superblock has made, with these globals.
    pub made: bool,
    pub globals: Option<Value>,
    /// Function and receiver, if it is a bound method that the superblock has made.
    pub bound: Option<[Value; 2]>,
    /// Start, stop and step, if it is a slice that the superblock has made.
    pub slice: Option<[Value; 3]>,
    /// Start, stop and step, if it is a range.
    pub range: Option<[Value; 3]>,
}

impl Default for Info {
    fn default() -> Info {
        Info {
            aliases: 0,
            owned: false,
            held: false,
            nullable: false,
            compact: false,
            kept: false,
            class: ptr::null_mut(),
            constant: ptr::null_mut(),
            unboxed: None,
            made: false,
            globals: None,
            bound: None,
            slice: None,
            range: None,
        }
    }
}

/// The picture, and the superblock that is being built along with it.
pub(crate) struct Frames {
    pub builder: Builder,
    pub frames: Vec<Frame>,
    pub objects: Vec<Object>,
    /// Those of them that are to be held, see [`Keep::Hold`].
    pub held: Vec<*mut PyObject>,
    pub codes: Vec<*mut PyCodeObject>,
    code_ids: HashMap<*mut PyCodeObject, CodeRef>,
    /// Dictionaries and keys whose values were taken for granted.
    pub values: Vec<(*mut PyObject, *mut PyObject)>,
    /// Types with the version that was taken for granted.
    pub types: Vec<(*mut PyObject, u32)>,
    /// Functions whose code, defaults and globals were taken for granted.
    pub functions: Vec<*mut PyObject>,
    object_ids: HashMap<*mut PyObject, ObjRef>,
    infos: Vec<Info>,
    /// Values whose last alias went away in the current instruction and whose reference is to be dropped, in CPython's order.
    dead: Vec<Value>,
    /// Where the first generator that the trace resumes is suspended: when that happens, and the last time that one of its code is.
    pub resumed: Option<(CodeRef, u32)>,
    pub suspended: Option<(CodeRef, u32)>,
    /// A value that was guarded to have another reference.
    surviving: Option<Value>,
    /// Whether the current instruction has run other code.
    ran_code: bool,
    /// The snapshot `at` the current instruction, once one was needed.
    at: Option<SnapshotId>,
    /// Whether slots have changed since the current instruction began.
    changed: bool,
    /// How many instructions of tier 1 are done.
    pub count: u32,
    /// For each op: how many instructions are done when it exits.
    counts: Vec<u32>,
    /// As [`crate::Trace::ticks`].
    pub ticks: Vec<u32>,
}

impl Frames {
    pub fn new(code: CodeRef, pc: u32, bottom: Frame) -> Frames {
        Frames {
            builder: Builder::new(code, pc),
            frames: vec![bottom],
            objects: Vec::new(),
            held: Vec::new(),
            codes: Vec::new(),
            code_ids: HashMap::new(),
            values: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            object_ids: HashMap::new(),
            infos: Vec::new(),
            dead: Vec::new(),
            resumed: None,
            suspended: None,
            surviving: None,
            ran_code: false,
            at: None,
            changed: false,
            count: 0,
            counts: Vec::new(),
            ticks: Vec::new(),
        }
    }

    /// Notes for the ops since the last time how many instructions are done where they exit.
    pub fn stamp(&mut self, count: u32) {
        self.counts.resize(self.builder.superblock().prefix.len(), count);
    }

    /// Values that nobody counts references to.
    pub fn uncounted(&self) -> HashSet<Value> {
        let is_uncounted = |info: &Info| {
            // SAFETY: a constant is alive while it is recorded.
            let is_immortal = !info.constant.is_null() && unsafe { is_immortal(info.constant) };
            is_immortal || crate::facts::is_immortal_class(info.class)
        };
        let values = self.infos.iter().enumerate().filter(|(_, info)| is_uncounted(info));
        values.map(|(i, _)| Value::from_u32(i as u32)).collect()
    }

    /// The counts by op, and the superblock.
    pub fn finish(mut self) -> (Superblock, Vec<Object>, Vec<u32>) {
        self.stamp(self.count);
        (self.builder.finish(), self.objects, self.counts)
    }

    pub fn top(&self) -> &Frame {
        self.frames.last().expect("the bottom frame is never popped")
    }

    pub fn top_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the bottom frame is never popped")
    }

    fn depth(&self) -> u32 {
        self.frames.len() as u32 - 1
    }

    /// Begins the instruction at a position of the top frame.
    pub fn begin(&mut self, pc: u32) {
        debug_assert!(self.dead.is_empty());
        self.top_mut().pc = pc;
        self.at = None;
        self.surviving = None;
        self.ran_code = false;
        self.changed = false;
    }

    /// The current instruction has run other code, with the frames as they were published. What it leaves is dropped next
    /// ([`Frames::drop_dead`]), and validity is checked.
    pub fn runs_code(&mut self) {
        self.ran_code = true;
    }

    // -- values

    pub fn info(&mut self, v: Value) -> &mut Info {
        let index = v.as_u32() as usize;
        if self.infos.len() <= index {
            self.infos.resize(index + 1, Info::default());
        }
        &mut self.infos[index]
    }

    /// The trace relies on what the function is made of.
    pub fn rely_on(&mut self, function: *mut PyObject) {
        if !self.functions.contains(&function) {
            self.functions.push(function);
        }
    }

    /// A value that the superblock owns a reference to.
    pub fn owned(&mut self, v: Value) -> Value {
        self.info(v).owned = true;
        v
    }

    /// A borrowed object that other code may let die: takes a reference.
    pub fn borrowed(&mut self, v: Value) -> Value {
        self.builder.incref(v);
        self.owned(v)
    }

    /// States the exact type of a value.
    pub fn of_class(&mut self, v: Value, class: *mut PyTypeObject) -> Value {
        self.info(v).class = class;
        v
    }

    /// The number of a constant, which is alive.
    pub fn object(&mut self, object: *mut PyObject, keep: Keep) -> ObjRef {
        // SAFETY: as said; the GIL is held while something is recorded.
        let seen = unsafe { Object::new(object, keep) };
        let next = ObjRef::from_u32(self.objects.len() as u32);
        let mut id = *self.object_ids.entry(object).or_insert(next);
        // What is only guarded to be alive may have gone since it was seen, and another object may be at its address.
        if id != next && self.objects[id.as_u32() as usize].what != seen.what {
            self.object_ids.insert(object, next);
            id = next;
        }
        if id == next {
            self.objects.push(seen);
        }
        // What is kept alive best counts.
        let known = &mut self.objects[id.as_u32() as usize].keep;
        if *known == Keep::Guarded || keep == Keep::Hold {
            *known = keep;
        }
        if keep == Keep::Hold && !self.held.contains(&object) {
            self.held.push(object);
        }
        id
    }

    /// The object as a constant. With [`Keep::Guarded`] the caller goes on with [`Frames::borrowed`], else with nothing.
    pub unsafe fn constant(&mut self, object: *mut PyObject, keep: Keep) -> Value {
        let id = self.object(object, keep);
        let v = self.builder.const_obj(id);
        let info = self.info(v);
        info.constant = object;
        info.held = keep != Keep::Guarded;
        if crate::facts::is_static(ty(object)) {
            info.class = ty(object);
        }
        v
    }

    // -- slots

    /// The value in a slot of the top frame, loaded if need be. None if it is known to be null.
    fn load(&mut self, at: Where) -> Option<Value> {
        let depth = self.depth();
        let slot = *self.slot(at);
        match slot.content {
            Content::Null => None,
            Content::Value(v) => Some(v),
            Content::Memory => {
                let locals = self.top().locals.len();
                let v = match (at, self.top().generator) {
                    (Where::Local(i), None) => self.builder.load_local(depth, i as u32),
                    (Where::Stack(i), None) => self.builder.load_stack(depth, i as u32),
                    (Where::Local(i), Some(g)) => self.builder.load_generator(g, i as u32),
                    (Where::Stack(i), Some(g)) => self.builder.load_generator(g, (locals + i) as u32),
                };
                *self.info(v) = Info { aliases: 1, nullable: true, ..Info::default() };
                self.slot(at).content = Content::Value(v);
                Some(v)
            }
        }
    }

    fn slot(&mut self, at: Where) -> &mut Slot {
        let top = self.top_mut();
        match at {
            Where::Local(i) => &mut top.locals[i],
            Where::Stack(i) => &mut top.stack[i],
        }
    }

    /// Takes the content out of a slot: its alias goes, and what the slot owned passes to the superblock.
    fn vacate(&mut self, at: Where) -> Content {
        self.changed = true;
        if self.slot(at).content == Content::Memory {
            self.load(at);
        }
        let Slot { content, home } = *self.slot(at);
        if let Content::Value(v) = content {
            let info = self.info(v);
            info.aliases -= 1;
            if home {
                info.owned = true;
            }
        }
        *self.slot(at) = Slot::holding(Content::Null);
        content
    }

    fn fill(&mut self, at: Where, content: Content) {
        self.changed = true;
        if let Content::Value(v) = content {
            self.info(v).aliases += 1;
        }
        *self.slot(at) = Slot::holding(content);
    }

    /// A local that is bound.
    pub fn local(&mut self, i: usize) -> Option<Value> {
        let v = self.load(Where::Local(i))?;
        self.info(v).nullable = false;
        Some(v)
    }

    /// A local that may be unbound.
    pub fn local_or_null(&mut self, i: usize) -> Option<Value> {
        self.load(Where::Local(i))
    }

    /// Replaces a local; the old content, to be released.
    pub fn set_local(&mut self, i: usize, content: Content) -> Content {
        let old = self.vacate(Where::Local(i));
        self.fill(Where::Local(i), content);
        old
    }

    /// In the current instruction, dropping a reference to the value does not drop the last one.
    pub fn survives(&mut self, v: Value) {
        self.surviving = Some(v);
    }

    /// Whether overwriting the local would drop the last reference that the frames of the trace have to its object.
    pub fn will_die_in(&mut self, i: usize) -> bool {
        let Slot { content, home } = self.top().locals[i];
        match content {
            Content::Memory => true,
            Content::Null => false,
            Content::Value(v) => {
                let info = self.info(v);
                info.aliases == 1 && (home || info.owned)
            }
        }
    }

    /// The local was guarded to be null.
    pub fn local_stays_null(&mut self, i: usize) {
        self.stays_null(Where::Local(i));
    }

    /// The stack item, counted from the top, was guarded to be null.
    pub fn item_stays_null(&mut self, n: usize) {
        let at = Where::Stack(self.height() - n);
        self.stays_null(at);
    }

    /// What was loaded from the slot's memory was guarded to be null. Memory is right still.
    fn stays_null(&mut self, at: Where) {
        debug_assert!(self.slot(at).home);
        self.slot(at).content = Content::Null;
    }

    pub fn height(&self) -> usize {
        self.top().stack.len()
    }

    /// The operand `n` from the top (1 is the top), which is an object by the meaning of the instruction.
    pub fn peek(&mut self, n: usize) -> Option<Value> {
        let v = self.peek_or_null(n)?;
        self.info(v).nullable = false;
        Some(v)
    }

    /// The stack item `n` from the top, which may be null.
    pub fn peek_or_null(&mut self, n: usize) -> Option<Value> {
        let index = self.height().checked_sub(n)?;
        self.load(Where::Stack(index))
    }

    /// What the stack holds `n` from the top, without looking at memory.
    pub fn content(&self, n: usize) -> Content {
        self.top().stack[self.height() - n].content
    }

    pub fn pop(&mut self) -> Content {
        let content = self.vacate(Where::Stack(self.height() - 1));
        self.top_mut().stack.pop();
        content
    }

    pub fn push(&mut self, content: Content) {
        self.top_mut().stack.push(Slot::holding(Content::Null));
        self.fill(Where::Stack(self.height() - 1), content);
    }

    pub fn push_value(&mut self, v: Value) {
        self.push(Content::Value(v));
    }

    /// Exchanges two stack items, counted from the top.
    pub fn swap(&mut self, a: usize, b: usize) {
        let height = self.height();
        let (a, b) = (Where::Stack(height - a), Where::Stack(height - b));
        let (x, y) = (self.vacate(a), self.vacate(b));
        self.fill(a, y);
        self.fill(b, x);
    }

    // -- references

    /// The content left a slot for good: if it was the last alias of an owned value, the reference is dropped with
    /// [`Frames::drop_dead`].
    pub fn release(&mut self, content: Content) {
        if let Content::Value(v) = content {
            let info = self.info(v);
            if info.aliases == 0 && info.owned {
                info.owned = false;
                self.dead.push(v);
            }
        }
    }

    /// Pops and releases.
    pub fn discard(&mut self) {
        let content = self.pop();
        self.release(content);
    }

    /// A reference to the value that an op may steal. The value is an object (see [`Frames::boxed`]).
    pub fn take(&mut self, v: Value) -> Value {
        let info = self.info(v);
        if info.owned && info.aliases == 0 {
            info.owned = false;
        } else {
            self.builder.incref(v);
        }
        v
    }

    /// Whether the value, an operand, is an object that the superblock owns and that nothing else in it refers to.
    pub fn dies(&mut self, v: Value) -> bool {
        let info = self.info(v);
        info.owned && info.aliases == 1
    }

    /// Another alias of a value that may have none any more is to be made: sees to it that the object is alive.
    pub fn keep_alive(&mut self, v: Value) {
        let Info { aliases, held, .. } = *self.info(v);
        if aliases == 0 && !held {
            self.borrowed(v);
        }
    }

    /// The value as an object: a truth value becomes True or False.
    pub fn boxed(&mut self, v: Value) -> Value {
        if self.builder.superblock().values[v] != Type::Bool {
            return v;
        }
        let object = self.builder.box_bool(v);
        let class = &raw mut ffi::PyBool_Type;
        *self.info(object) = Info { held: true, class, unboxed: Some(v), ..Info::default() };
        object
    }

    pub fn is_unboxed_bool(&self, v: Value) -> bool {
        self.builder.superblock().values[v] == Type::Bool
    }

    /// Whether dropping the last reference to the value may run other code.
    pub fn may_run_code(&mut self, v: Value) -> bool {
        let class = self.info(v).class;
        class.is_null() || !crate::facts::dies_quietly(class)
    }

    /// Drops what died in the current instruction and runs no code at that. Nobody can tell that it is dropped before the
    /// rest, which is the answer.
    fn drop_quiet(&mut self) -> Vec<Value> {
        let mut dead = core::mem::take(&mut self.dead);
        dead.retain(|&v| {
            let Info { class, held, kept, .. } = *self.info(v);
            if !kept && crate::facts::is_immortal_class(class) {
                return false;
            }
            // What is kept must be dropped while it is: before other code runs. What a constant stands for is kept alive by others.
            let is_quiet = kept && !self.ran_code || held || !self.may_run_code(v) || self.surviving == Some(v);
            if is_quiet && self.info(v).nullable {
                self.builder.xdecref_no_dealloc(v);
            } else if is_quiet {
                self.builder.decref_no_dealloc(v);
            }
            !is_quiet
        });
        dead
    }

    /// Drops what died in the current instruction. `target`: where execution goes on, if the instruction jumps.
    ///
    /// Other code that runs then sees the frames as they are after the instruction, and at it. Answers whether any can run.
    pub fn drop_dead(&mut self, target: Option<u32>) -> bool {
        self.stamp(self.count);
        let dead = self.drop_quiet();
        let escaped = self.ran_code || !dead.is_empty();
        if escaped {
            self.snapshot(Resume::After);
        }
        for v in dead {
            if self.info(v).nullable {
                self.builder.xdecref(v);
            } else {
                self.builder.decref(v);
            }
        }
        if escaped {
            if let Some(target) = target {
                let pc = core::mem::replace(&mut self.top_mut().pc, target);
                self.snapshot(Resume::At);
                self.builder.check_validity();
                self.top_mut().pc = pc;
            } else {
                self.builder.check_validity();
            }
        }
        self.stamp(self.count + 1);
        escaped
    }

    // -- guards

    /// Guards that the value's type is this one, a static type, unless that is known.
    pub fn guard_class(&mut self, v: Value, class: *mut PyTypeObject) {
        // What is an unboxed truth value is a bool.
        if self.info(v).class == class || self.is_unboxed_bool(v) {
            return;
        }
        self.at();
        let id = self.object(class.cast(), Keep::Immortal);
        self.builder.guard_type(v, id);
        self.info(v).class = class;
    }

    /// The same of a value that may be null, and may be so still behind it.
    pub fn guard_class_or_null(&mut self, v: Value, class: *mut PyTypeObject) {
        if !self.info(v).nullable || self.info(v).class == class {
            return self.guard_class(v, class);
        }
        self.at();
        let id = self.object(class.cast(), Keep::Immortal);
        self.builder.guard_type_or_null(v, id);
        self.info(v).class = class;
    }

    /// Leaves for good, with the frames as they are.
    pub fn exit(&mut self, reason: ExitReason) {
        self.snapshot(Resume::At);
        self.builder.exit(reason);
    }

    /// Ops so far.
    pub fn len(&self) -> usize {
        self.builder.superblock().prefix.len()
    }
}
