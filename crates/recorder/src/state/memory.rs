//! From the picture to memory: snapshots, flushing, frames that are entered and left without being there.

use super::{Content, Frame, Frames, Slot, Where};
use core::mem::offset_of;
use core::ptr;
use hotspur_cpython_sys::*;
use hotspur_ir::{CodeRef, FrameState, Resume, Slot as SnapshotSlot, Snapshot, SnapshotId, Value};
use hotspur_tier1::code::CodeState;
use std::collections::{HashMap, HashSet};

impl Frames {
    /// Makes the snapshot `at` the current instruction the one that ops name. No slot has changed yet.
    pub fn at(&mut self) {
        debug_assert!(!self.changed, "guards come before the instruction's effects");
        if let Some(id) = self.at {
            self.builder.set_snapshot(id);
        } else {
            self.at = Some(self.snapshot(Resume::At));
        }
    }

    /// Adds a snapshot of the frames as they are, and makes it the one that ops name.
    pub fn snapshot(&mut self, resume: Resume) -> SnapshotId {
        let mut passed = HashSet::new();
        let infos = &self.infos;
        let mut slot = |slot: &Slot| match slot.content {
            _ if slot.home => SnapshotSlot::Unchanged,
            Content::Memory => SnapshotSlot::Unchanged,
            Content::Null => SnapshotSlot::Null,
            Content::Value(v) => {
                let owned = infos.get(v.as_u32() as usize).is_some_and(|i| i.owned);
                if owned && passed.insert(v) { SnapshotSlot::Owned(v) } else { SnapshotSlot::Value(v) }
            }
        };
        let frames = self
            .frames
            .iter()
            .map(|f| FrameState {
                code: f.code,
                pc: f.pc,
                function: f.function.map(|v| slot(&Slot::holding(Content::Value(v)))),
                generator: f.generator.map(SnapshotSlot::Value),
                locals: f.locals.iter().map(&mut slot).collect(),
                stack: f.stack.iter().map(&mut slot).collect(),
            })
            .collect();
        self.builder.snapshot(Snapshot::new(resume, frames))
    }

    /// After a flush: a snapshot in which every slot is as in memory.
    pub fn snapshot_in_memory(&mut self, resume: Resume) -> SnapshotId {
        self.forget();
        self.snapshot(resume)
    }

    /// How many slots a snapshot has now.
    pub fn snapshot_size(&self) -> usize {
        self.frames.iter().map(|f| f.locals.len() + f.stack.len()).sum()
    }

    // -- flushing

    /// Brings all frames to memory: virtual ones are pushed, slots that are not homes are written. Values stay known; those that slots
    /// hold are at home there now.
    pub fn flush(&mut self) {
        self.flush_first(self.frames.len());
    }

    /// Brings to memory what other code can look at: frames, and their locals. That is done once, while publishing it is done each time. Operands stay
    /// where they are, but for those of generators that wait for what they have called: the collector looks at them.
    pub fn flush_visible(&mut self) {
        for depth in 0..self.frames.len() {
            self.flush_locals(depth);
            if depth + 1 < self.frames.len() && self.is_of_generator(depth) {
                self.flush_stack(depth);
            }
        }
        self.at = None;
    }

    /// Whether a frame lies in a generator or coroutine. (`is_pushed_generator` is not set for one that a trace goes down to from where it began.)
    fn is_of_generator(&self, depth: usize) -> bool {
        let code = self.codes[self.frames[depth].code.as_u32() as usize];
        // SAFETY: the code is alive while it is recorded.
        unsafe { (*code).co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR) != 0 }
    }

    /// [`Frames::flush`] for so many frames, from the bottom up.
    fn flush_first(&mut self, n: usize) {
        for depth in 0..n {
            self.flush_locals(depth);
            self.flush_stack(depth);
        }
    }

    fn flush_stack(&mut self, depth: usize) {
        for i in 0..self.frames[depth].stack.len() {
            self.spill(depth, Where::Stack(i));
        }
    }

    /// Brings a frame to memory, and its locals; those below are there.
    fn flush_locals(&mut self, depth: usize) {
        if self.frames[depth].function.is_some() {
            self.push_frame(depth);
        }
        if let Some(generator) = self.frames[depth].generator.take() {
            let (code, caller_pc) = (self.frames[depth].code, self.frames[depth - 1].pc);
            self.builder.push_generator(generator, code, caller_pc);
            self.frames[depth].is_pushed_generator = true;
        }
        for i in 0..self.frames[depth].locals.len() {
            self.spill(depth, Where::Local(i));
        }
    }

    /// A reference to what a slot holds, for the slot itself.
    pub(super) fn moved_out(&mut self, content: Content) -> Value {
        match content {
            Content::Null | Content::Memory => self.builder.const_null(),
            Content::Value(v) => {
                self.info(v).aliases -= 1;
                let object = self.boxed(v);
                self.take(object)
            }
        }
    }

    /// Pops a stack item, with a reference to it for an op that steals it.
    pub fn pop_moved(&mut self) -> Value {
        match self.pop() {
            Content::Null | Content::Memory => self.builder.const_null(),
            Content::Value(v) => {
                let object = self.boxed(v);
                self.take(object)
            }
        }
    }

    /// The slot's content is in memory now, which owns it.
    fn settled(&mut self, content: Content) -> Slot {
        let Content::Value(v) = content else { return Slot::MEMORY };
        // A value that is at home somewhere else, is owned or is held, keeps its own way of being alive; this slot is loaded
        // anew when it is needed.
        let info = self.info(v);
        if info.aliases == 0 && !info.held && !self.is_unboxed_bool(v) {
            self.info(v).aliases = 1;
            return Slot { content, home: true };
        }
        Slot::MEMORY
    }

    fn spill(&mut self, depth: usize, at: Where) {
        let frame = &self.frames[depth];
        let slot = match at {
            Where::Local(i) => frame.locals[i],
            Where::Stack(i) => frame.stack[i],
        };
        if slot.home {
            return;
        }
        let value = self.moved_out(slot.content);
        match at {
            Where::Local(i) => self.builder.spill_local(depth as u32, i as u32, value),
            Where::Stack(i) => self.builder.spill_stack(depth as u32, i as u32, value),
        }
        let settled = self.settled(slot.content);
        let frame = &mut self.frames[depth];
        match at {
            Where::Local(i) => frame.locals[i] = settled,
            Where::Stack(i) => frame.stack[i] = settled,
        }
    }

    fn push_frame(&mut self, depth: usize) {
        let Some(function) = self.frames[depth].function.take() else { return };
        let caller_pc = self.frames[depth - 1].pc;
        let code = self.frames[depth].code;
        let contents: Vec<_> = self.frames[depth].locals.iter().map(|s| s.content).collect();
        let locals: Vec<_> = contents.iter().map(|&c| self.moved_out(c)).collect();
        let function = self.moved_out(Content::Value(function));
        self.builder.push_frame(code, caller_pc, function, &locals);
        self.frames[depth].locals = contents.iter().map(|&c| self.settled(c)).collect();
    }

    /// After a flush, before other code runs that may change what is in the slots: nothing is known of them any more.
    pub fn forget(&mut self) {
        debug_assert!(self.frames.iter().all(|f| f.function.is_none() && f.generator.is_none()));
        for frame in &mut self.frames {
            frame.locals.fill(Slot::MEMORY);
            frame.stack.fill(Slot::MEMORY);
        }
        for info in &mut self.infos {
            info.aliases = 0;
            info.owned = false;
        }
        self.at = None;
    }

    /// The namespace of globals (0) or builtins (1) of the top frame.
    pub fn namespace(&mut self, which: usize) -> Option<Value> {
        if let Some(v) = self.top().namespaces[which] {
            return Some(v);
        }
        if let Some(function) = self.top().function {
            if let (Some(globals), 0) = (self.info(function).globals, which) {
                return Some(globals);
            }
            // They cannot be assigned, and the frame's function keeps them alive.
            let fields = [offset_of!(PyFunctionObject, func_globals), offset_of!(PyFunctionObject, func_builtins)];
            let v = self.builder.load_slot(function, fields[which] as u32);
            self.info(v).held = true;
            self.top_mut().namespaces[which] = Some(v);
            return Some(v);
        }
        let depth = self.depth();
        let v = match (which, self.top().generator) {
            (0, None) => self.builder.load_globals(depth),
            (_, None) => self.builder.load_builtins(depth),
            (0, Some(g)) => self.builder.generator_globals(g),
            (_, Some(g)) => self.builder.generator_builtins(g),
        };
        self.info(v).held = true;
        self.top_mut().namespaces[which] = Some(v);
        Some(v)
    }

    pub fn code(&mut self, code: *mut PyCodeObject) -> CodeRef {
        let next = CodeRef::from_u32(self.codes.len() as u32);
        let id = *self.code_ids.entry(code).or_insert(next);
        if id == next {
            self.codes.push(code);
        }
        id
    }

    // -- virtual frames

    /// Enters a function: a frame that is not in memory, with these contents, which were popped, as its first locals.
    pub fn enter(&mut self, cs: *mut CodeState, code: CodeRef, function: Value, args: Vec<Content>, locals: usize) {
        self.info(function).aliases += 1;
        self.frames.push(Frame {
            real: ptr::null_mut(),
            cs,
            code,
            pc: 0,
            locals: vec![Slot::holding(Content::Null); locals],
            stack: Vec::new(),
            function: Some(function),
            generator: None,
            is_pushed_generator: false,
            namespaces: [None; 2],
            rounds: HashMap::new(),
        });
        for (i, content) in args.into_iter().enumerate() {
            self.fill(Where::Local(i), content);
        }
    }

    /// Leaves the top frame, which is not in memory, with the content on top of its stack. What was in the frame is released, in
    /// the order in which CPython clears it.
    pub fn leave(&mut self, function: Value) {
        let result = self.pop();
        if let Content::Value(v) = result {
            // The function's constants may die with it.
            let info = *self.info(v);
            if info.held && !info.constant.is_null() && !info.owned && !self.is_immortal(v) {
                self.info(v).held = false;
                self.borrowed(v);
            }
        }
        let mut contents: Vec<_> = (0..self.top().locals.len()).map(|i| self.vacate(Where::Local(i))).collect();
        while self.height() > 0 {
            contents.push(self.pop());
        }
        self.frames.pop();
        self.push(result);
        self.release_in_order(&contents);
        self.info(function).aliases -= 1;
        self.release(Content::Value(function));
    }

    /// Releases what was in the slots of a frame: each value where the last of its slots is cleared.
    fn release_in_order(&mut self, contents: &[Content]) {
        for (i, content) in contents.iter().enumerate() {
            if !contents[i + 1..].contains(content) {
                self.release(*content);
            }
        }
    }

    /// Leaves the top frame, which is in memory, with the content on top of its stack. The frame is empty then, and those below are
    /// in memory with all that they hold.
    pub fn leave_memory(&mut self) {
        let below = self.frames.len() - 1;
        self.flush_first(below);
        let result = self.pop();
        let mut contents: Vec<_> = (0..self.top().locals.len()).map(|i| self.vacate(Where::Local(i))).collect();
        contents.extend((0..self.height()).map(|i| self.vacate(Where::Stack(i))));
        self.top_mut().stack.clear();
        let Content::Value(result) = result else { unreachable!("what is returned is no null") };
        let result = self.boxed(result);
        let result = self.take(result);
        self.release_in_order(&contents);
        let dropped = self.drop_quiet();
        self.forget();
        self.snapshot(Resume::At);
        self.builder.return_value(result, &dropped);
    }

    fn is_immortal(&mut self, v: Value) -> bool {
        let constant = self.info(v).constant;
        // SAFETY: a constant is alive while it is recorded.
        !constant.is_null() && unsafe { is_immortal(constant) }
    }
}
