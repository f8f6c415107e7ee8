//! Steps that push and leave frames, and ends of programs.

use super::{FrameModel, Model, world};
use cranelift_entity::EntityRef;
use hotspur_interp::toy::Step;
use hotspur_ir::*;

fn known(i: usize) -> ObjRef {
    ObjRef::new(i)
}

impl Model {
    /// Pushes a frame, or leaves one.
    pub(super) fn frame(&mut self) {
        if self.frames.len() > 1 && self.pick(2) == 0 {
            return if self.pick(2) == 0 { self.pop() } else { self.return_to_below() };
        }
        if self.frames.len() > 3 {
            return;
        }
        self.next_pc += 1;
        let pc = self.next_pc;
        self.top().pc = pc;
        let function = self.b.const_obj(known(world::FUNCTION));
        self.b.incref(function);
        let mut locals: Vec<Value> = (0..self.pick(3)).map(|_| self.reference()).collect();
        if self.pick(2) == 0 {
            locals.push(self.b.const_null());
        }
        let code = CodeRef::new(1 + locals.len());
        self.b.push_frame(code, pc, function, &locals);
        let locals = vec![Slot::Unchanged; locals.len()];
        self.frames.push(FrameModel { code, pc: 0, locals, stack: 0 });
    }

    /// Returns from the top frame. What is owned is dropped with what the frame holds, or given to the frame below.
    fn return_value(&mut self) {
        let depth = self.frames.len() - 1;
        self.flush(0);
        let value = self.reference();
        let mut dropped = std::mem::take(&mut self.owned);
        let (locals, stack) = (self.top().locals.len(), self.top().stack);
        dropped.extend((0..locals).map(|i| self.b.load_local(depth as u32, i as u32)));
        dropped.extend((0..stack).map(|i| self.b.load_stack(depth as u32, i as u32)));
        self.top().stack = 0;
        self.borrowed.clear();
        self.next_pc += 1;
        let frames = self.frames_at(self.next_pc, &[]);
        self.b.snapshot(Snapshot::new(Resume::At, frames.clone()));
        self.b.guard_plain_frame();
        self.b.return_value(value, &dropped);
    }

    /// The same, from a frame that was pushed.
    fn return_to_below(&mut self) {
        self.return_value();
        self.frames.pop();
        let pc = self.top().pc + 1;
        self.next_pc = self.next_pc.max(pc);
        self.top().stack += 1;
        self.landed_at(pc);
    }

    /// Has tier 1 execute an instruction.
    pub(super) fn execute(&mut self, stack: usize) {
        if !self.may_execute || self.frames.len() > 4 {
            return;
        }
        match self.pick(4) {
            0 => self.execute_call(),
            1 if self.frames.len() > 2 && self.pick(2) == 0 => self.execute_unwinding(stack),
            1 if self.frames.len() > 1 => self.execute_return(stack),
            _ => self.execute_here(stack),
        }
    }

    /// Everything is written to memory, and the op appended.
    fn execute_op(&mut self, moves: Moves) {
        self.flush(0);
        self.flush_owned();
        self.borrowed.clear();
        self.next_pc += 1;
        let pc = self.next_pc;
        let frames = self.frames_at(pc, &[]);
        self.b.snapshot(Snapshot::new(Resume::At, frames));
        self.b.execute(pc, moves);
    }

    /// The guard that the landing is as the model says by now.
    fn landed(&mut self) {
        self.next_pc += 1;
        let pc = self.next_pc;
        self.landed_at(pc);
    }

    fn landed_at(&mut self, pc: u32) {
        let frames = self.frames_at(pc, &[]);
        self.b.snapshot(Snapshot::new(Resume::Landed, frames));
        let (code, stack) = (self.top().code, self.top().stack as u32);
        self.b.guard_landed(code, pc, stack);
    }

    fn items(&mut self, stack: usize) -> Vec<Option<ObjRef>> {
        (0..stack).map(|_| (self.pick(4) > 0).then(|| known(self.pick(world::SIMPLE)))).collect()
    }

    /// An instruction that leaves so many items on the stack.
    pub(super) fn execute_here(&mut self, stack: usize) {
        self.execute_op(Moves::Stays);
        let (pc, items) = (self.next_pc + 1, self.items(stack));
        let locals = self.top().locals.len();
        let step = match self.pick(3) {
            0 if locals > 0 => Step::Stores(pc, items, self.pick(locals), Some(known(world::STR))),
            1 => Step::Acts(pc, items, hotspur_interp::toy::Action::Return(known(world::INT))),
            _ => Step::Stays(pc, items),
        };
        self.script.push(step);
        self.top().stack = stack;
        self.landed();
    }

    fn execute_call(&mut self) {
        self.execute_op(Moves::Calls);
        let locals = self.items(2);
        let code = CodeRef::new(20 + self.frames.len());
        self.script.push(Step::Calls(code, locals));
        self.top().stack = 0;
        self.frames.push(FrameModel { code, pc: 0, locals: vec![Slot::Unchanged; 2], stack: 0 });
        self.landed_at(0);
    }

    fn execute_return(&mut self, stack: usize) {
        self.execute_op(Moves::Returns);
        let (pc, items) = (self.next_pc + 1, self.items(stack));
        self.script.push(Step::Returns(pc, items));
        self.frames.pop();
        self.top().stack = stack;
        self.landed();
    }

    fn execute_unwinding(&mut self, stack: usize) {
        self.execute_op(Moves::Unwinds);
        let (pc, items) = (self.next_pc + 1, self.items(stack));
        self.script.push(Step::Unwinds(pc, items));
        self.frames.truncate(self.frames.len() - 2);
        self.top().stack = stack;
        self.landed();
    }

    /// Ends a superblock without a loop.
    pub(super) fn end(&mut self, how: u8) {
        match how % 5 {
            0 => {
                self.at();
                let pc = self.int();
                self.b.dynamic_exit(pc);
            }
            1 => {
                while self.frames.len() > 1 {
                    self.pop();
                }
                self.return_value();
                let frames = self.frames_at(self.next_pc, &[]);
                self.b.snapshot(Snapshot::new(Resume::Landed, frames));
                self.b.leave_landed();
            }
            2 => {
                self.at();
                let args = [self.int(), self.float(), self.truth(), self.constant()];
                self.b.link(ExecutorRef::new(3), &args);
            }
            3 => {
                self.execute_op(Moves::Returns);
                self.script.push(Step::Returns(5, vec![]));
                let pc = self.next_pc;
                let frames = self.frames_at(pc, &[]);
                self.b.snapshot(Snapshot::new(Resume::Landed, frames));
                self.b.leave_landed();
            }
            _ => {
                self.at();
                self.b.exit(ExitReason::EndOfTrace);
            }
        }
    }
}
