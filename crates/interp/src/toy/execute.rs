//! Instructions that tier 1 executes: here, steps of a script.

use super::{Action, Nullable, Toy, ToyFrame, ToyRef};
use hotspur_ir::{CodeRef, Moves, ObjRef};

/// The number of the code that has called the first frame.
const CALLER: u32 = 1;

/// What an instruction does. Objects are constants; slots get references of their own.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Goes on in the same frame: the position and the stack change.
    Stays(u32, Vec<Option<ObjRef>>),
    /// As before, and a local (the index) gets this content.
    Stores(u32, Vec<Option<ObjRef>>, usize, Option<ObjRef>),
    /// As the first, after running native code.
    Acts(u32, Vec<Option<ObjRef>>, Action),
    /// Pushes a frame for the code with these locals. What was on the caller's stack is gone.
    Calls(CodeRef, Vec<Option<ObjRef>>),
    /// Drops the frame; the one below, if there is one, goes on there with that stack.
    Returns(u32, Vec<Option<ObjRef>>),
    /// The same for two frames, if there are as many.
    Unwinds(u32, Vec<Option<ObjRef>>),
    /// Raises an exception.
    Raises,
}

impl Toy {
    fn slots(&mut self, names: &[Option<ObjRef>]) -> Vec<Nullable> {
        names.iter().map(|n| n.and_then(|n| self.reference(n))).collect()
    }

    fn go_on(&mut self, pc: u32, stack: &[Option<ObjRef>]) {
        let stack = self.slots(stack);
        let Some(frame) = self.frames.last_mut() else { return };
        frame.pc = pc;
        let old = std::mem::replace(&mut frame.stack, stack);
        old.into_iter().flatten().for_each(|o| self.release(o));
    }

    /// Executes the next step of the script.
    pub(super) fn execute_step(&mut self, pc: u32) {
        self.log.push(format!("executing {pc}"));
        let frames = self.show_frames();
        self.log.extend(frames.into_iter().map(|f| format!("    {f}")));
        self.frames_before = self.frames.len();
        let index = self.executed;
        self.executed += 1;
        let Some(step) = index.checked_rem(self.script.len()).map(|i| self.script[i].clone()) else {
            self.faults.push("an instruction that is in no script".into());
            return;
        };
        match step {
            Step::Stays(pc, stack) => self.go_on(pc, &stack),
            Step::Stores(pc, stack, index, name) => {
                self.go_on(pc, &stack);
                let new = name.and_then(|n| self.reference(n));
                if let Some(local) = self.frames.last_mut().and_then(|f| f.locals.get_mut(index)) {
                    let old = std::mem::replace(local, new);
                    old.into_iter().for_each(|o| self.release(o));
                }
            }
            Step::Acts(pc, stack, action) => {
                match self.act("code", action) {
                    Ok(result) => self.release(result),
                    Err(()) => self.raised = true,
                }
                self.go_on(pc, &stack);
            }
            Step::Calls(code, locals) => {
                let pc = self.frames.last().map_or(0, |f| f.pc);
                self.go_on(pc, &[]);
                let locals = self.slots(&locals);
                self.frames.push(ToyFrame { code, pc: 0, function: None, locals, stack: Vec::new(), generator: None });
            }
            Step::Returns(pc, stack) => {
                self.drop_frame();
                self.make_up_caller();
                self.go_on(pc, &stack);
            }
            Step::Unwinds(pc, stack) => {
                self.drop_frame();
                self.drop_frame();
                self.go_on(pc, &stack);
            }
            Step::Raises => self.raised = true,
        }
    }

    /// There is a frame that the one which was left returns to: who called the first one is made up.
    fn make_up_caller(&mut self) {
        if self.frames.is_empty() {
            let (code, locals, stack) = (CodeRef::from_u32(CALLER), Vec::new(), Vec::new());
            self.frames.push(ToyFrame { code, pc: 0, function: None, locals, stack, generator: None });
        }
        self.frames_before = self.frames.len() + 1;
    }

    /// Leaves the top frame, whose slots hold nothing that counts. Its caller goes on with the next instruction.
    pub(super) fn return_to_caller(&mut self, value: ToyRef, dropped: Vec<Nullable>) {
        let Some(frame) = self.frames.pop() else { return };
        dropped.into_iter().chain([frame.function]).flatten().for_each(|o| self.release(o));
        self.make_up_caller();
        if let Some(caller) = self.frames.last_mut() {
            caller.pc += 1;
            caller.stack.push(Some(value));
        }
    }

    /// Drops the top frame with what it owns.
    pub(super) fn drop_frame(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let references = frame.locals.into_iter().chain(frame.stack).chain([frame.function]);
        references.flatten().for_each(|o| self.release(o));
    }

    /// Whether the last step has led there.
    pub(super) fn is_at(&self, code: CodeRef, pc: u32, moves: Moves, stack: usize) -> bool {
        let expected = self.frames_before.checked_add_signed(moves.change() as isize);
        let is_there = |f: &ToyFrame| (f.code, f.pc, f.stack.len()) == (code, pc, stack);
        !self.raised && expected == Some(self.frames.len()) && self.frames.last().is_some_and(is_there)
    }
}
