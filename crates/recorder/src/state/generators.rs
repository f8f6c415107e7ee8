//! Frames of generators: entered without being pushed, suspended, finished.
//!
//! Such a frame's slots are homes like those of a frame in memory, only that they lie in the generator. When the generator is suspended,
//! all of them must be right: those that changed are stored. From then on, other code (or this trace, in a later instruction) may
//! change them at any time, so what other slots have borrowed from them is owned by the superblock.

use super::{Content, Frame, Frames, Slot};
use hotspur_cpython_sys::InterpreterFrame;
use hotspur_ir::{CodeRef, Resume, Value};
use hotspur_tier1::code::CodeState;
use std::collections::HashMap;

/// A frame that is suspended, and where.
pub(crate) struct Suspended {
    pub real: *mut InterpreterFrame,
    pub cs: *mut CodeState,
    pub code: CodeRef,
    pub pc: u32,
    pub locals: usize,
    pub stack: usize,
}

/// A frame with all its slots in memory.
fn at_rest(at: &Suspended) -> Frame {
    Frame {
        real: at.real,
        cs: at.cs,
        code: at.code,
        pc: at.pc,
        locals: vec![Slot::MEMORY; at.locals],
        stack: vec![Slot::MEMORY; at.stack],
        function: None,
        generator: None,
        is_pushed_generator: false,
        namespaces: [None; 2],
        rounds: HashMap::new(),
    }
}

impl Frames {
    /// Goes on in the frame of a generator, with what it is sent, which was popped, on its stack.
    pub fn resume(&mut self, generator: Value, at: &Suspended, sent: Content) {
        self.builder.resume_generator(generator);
        self.resumed.get_or_insert((at.code, at.pc));
        self.frames.push(Frame { generator: Some(generator), ..at_rest(at) });
        self.push(sent);
    }

    /// If the only frame is a generator's, follows it to the frame of whoever resumed it, which was suspended there.
    pub fn follow_to_resumer(&mut self, resumer: &Suspended) -> Value {
        self.at();
        self.builder.guard_caller(resumer.code, resumer.pc);
        let generator = self.builder.unlink_first(resumer.code);
        // The one that resumed it has it on its stack.
        self.info(generator).held = true;
        let top = self.top_mut();
        top.generator = Some(generator);
        top.is_pushed_generator = false;
        self.frames.insert(0, at_rest(resumer));
        generator
    }

    /// The generator whose frame is the top one, if there is such a frame above that where the trace begins. Its frame is not among those in
    /// memory any more.
    pub fn take_up_generator(&mut self) -> Option<Value> {
        if let Some(generator) = self.top().generator {
            return Some(generator);
        }
        if !self.top().is_pushed_generator || self.frames.len() == 1 {
            return None;
        }
        // The frame below was suspended by the instruction that resumed the generator, which is what is left on its stack.
        let top = self.frames.pop()?;
        let generator = self.peek(1);
        self.frames.push(top);
        let generator = generator?;
        self.builder.pop_generator();
        let top = self.top_mut();
        top.generator = Some(generator);
        top.is_pushed_generator = false;
        Some(generator)
    }

    /// Leaves the frame of a generator, the top one, with the content on top of its stack. All its slots are in the generator then.
    /// Answers how many are on the stack.
    fn leave_generator(&mut self, generator: Value) -> u32 {
        let result = self.pop();
        let Some(frame) = self.frames.pop() else { return 0 };
        self.push(result);
        for (i, slot) in frame.locals.iter().chain(&frame.stack).enumerate() {
            if !slot.home {
                let content = self.moved_out(slot.content);
                self.builder.store_generator(generator, i as u32, content);
            } else if let Content::Value(v) = slot.content {
                let info = self.info(v);
                info.aliases -= 1;
                if info.aliases > 0 {
                    self.borrowed(v);
                }
            }
        }
        frame.stack.len() as u32
    }

    /// The generator yields what is on top of the stack of its frame, the top one. It goes on at `pc`.
    pub fn suspend(&mut self, generator: Value, pc: u32, delegates: bool) {
        let code = self.top().code;
        let stack = self.leave_generator(generator);
        self.builder.suspend_generator(generator, code, pc, stack, delegates);
        if self.resumed.is_some_and(|(first, _)| first == code) {
            self.suspended = Some((code, pc));
        }
    }

    /// The generator returns what is on top of the stack of its frame, the top one. Whoever resumed it goes on at `target`.
    pub fn finish_generator(&mut self, generator: Value, target: u32) {
        self.leave_generator(generator);
        self.stamp(self.count);
        self.snapshot(Resume::After);
        self.builder.finish_generator(generator);
        let pc = core::mem::replace(&mut self.top_mut().pc, target);
        self.snapshot(Resume::At);
        self.builder.check_validity();
        self.top_mut().pc = pc;
        self.stamp(self.count + 1);
    }

    /// Makes a generator of the top frame, which is virtual and has the function, and leaves it with that. It is to begin at `pc`.
    pub fn make_generator(&mut self, function: Value, pc: u32) -> Value {
        let code = self.top().code;
        let contents: Vec<_> = self.top().locals.iter().map(|s| s.content).collect();
        let locals: Vec<_> = contents.into_iter().map(|c| self.moved_out(c)).collect();
        let function = self.moved_out(Content::Value(function));
        let generator = self.builder.new_generator(code, pc, function, &locals);
        self.owned(generator);
        self.frames.pop();
        self.push_value(generator);
        generator
    }
}
