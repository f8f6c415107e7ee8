//! Steps with a generator, from its beginning to its end.

use super::{FrameModel, Model, world};
use cranelift_entity::EntityRef;
use hotspur_ir::*;

/// A code whose frames have two locals.
const CODE: usize = 3;
const LOCALS: usize = 2;
/// Where the generator begins, and where it is suspended.
const BEGIN: u32 = 4;
const SUSPENDED: u32 = 6;

fn code() -> CodeRef {
    CodeRef::new(CODE)
}

/// A generator that runs, without its frame being pushed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub generator: Value,
    /// The frame that has it on its stack.
    pub depth: usize,
    /// Whether the superblock owns it; else that stack does.
    pub is_owned: bool,
    code: CodeRef,
    locals: usize,
}

impl Running {
    /// Its frame, with all its slots in the generator.
    pub(super) fn frame(&self, pc: u32) -> FrameState {
        FrameState {
            code: self.code,
            pc,
            function: None,
            generator: Some(Slot::Value(self.generator)),
            locals: vec![Slot::Unchanged; self.locals],
            stack: vec![],
        }
    }
}

impl Model {
    /// A generator is made, runs while other things happen, and is suspended or ends.
    pub(super) fn generator(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.at();
        self.b.check_untracked();
        let function = self.constants[world::FUNCTION];
        self.b.incref(function);
        let first = self.reference();
        let second = if self.pick(2) == 0 { self.b.const_null() } else { self.reference() };
        let g = self.b.new_generator(code(), BEGIN, function, &[first, second]);
        self.owned.push(g);
        self.at();
        let expected = if self.pick(4) == 0 { SUSPENDED } else { BEGIN };
        self.b.guard_suspended(g, code(), expected);
        self.owned.retain(|&v| v != g);
        self.b.resume_generator(g);
        self.running =
            Some(Running { generator: g, depth: self.frames.len() - 1, is_owned: true, code: code(), locals: LOCALS });
        match self.pick(3) {
            0 => self.run_pushed(g),
            _ => self.run(g, LOCALS),
        }
        self.borrowed.clear();
        self.leave(g);
    }

    /// The first frame is a generator's: follows it to the one below.
    pub(super) fn follow(&mut self) {
        self.at();
        let (below, pc) = (CodeRef::new(world::BELOW), if self.pick(8) == 0 { 1 } else { world::BELOW_PC });
        self.b.guard_caller(below, pc);
        let generator = self.b.unlink_first(below);
        let code = std::mem::replace(&mut self.top().code, below);
        self.top().stack = 1;
        self.running = Some(Running { generator, depth: 0, is_owned: false, code, locals: world::LOCALS });
        self.run(generator, world::LOCALS);
        self.borrowed.clear();
        self.next_pc += 1;
        if self.pick(2) == 0 {
            self.b.suspend_generator(generator, code, SUSPENDED, 0, false);
            self.running = None;
        } else {
            let pc = self.next_pc;
            self.running = None;
            self.snapshot(Resume::After, pc, &[]);
            self.b.finish_generator(generator);
            self.check_validity();
        }
    }

    /// It runs, and its frame is not pushed.
    fn run(&mut self, g: Value, locals: usize) {
        let _ = (self.b.generator_globals(g), self.b.generator_builtins(g));
        let (local, raw) = (self.pick(locals) as u32, self.raw);
        let old = self.b.load_generator(g, local);
        self.at();
        if self.pick(2) == 0 {
            self.b.guard_not_null(old);
            self.borrowed.push(old);
        }
        self.quiet_step(raw);
        if self.pick(2) == 0 {
            let old = self.b.load_generator(g, local);
            let new = self.reference();
            self.b.store_generator(g, local, new);
            self.drop_reference(old, true);
            self.check_validity();
        }
        self.quiet_step(raw.rotate_left(7));
    }

    /// It runs, and its frame is pushed for a while.
    fn run_pushed(&mut self, g: Value) {
        self.next_pc += 1;
        let pc = self.next_pc;
        self.top().pc = pc;
        self.b.push_generator(g, code(), pc);
        self.frames.push(FrameModel { code: code(), pc: 0, locals: vec![Slot::Unchanged; LOCALS], stack: 0 });
        let raw = self.raw;
        self.at();
        self.quiet_step(raw);
        self.quiet_step(raw.rotate_left(9));
        let depth = self.frames.len() - 1;
        self.flush(depth);
        self.b.pop_generator();
        self.frames.pop();
    }

    /// A step that neither pushes nor pops frames.
    fn quiet_step(&mut self, raw: u32) {
        const QUIET: [u8; 12] = [0, 2, 5, 7, 8, 9, 12, 13, 15, 16, 18, 21];
        self.step((QUIET[raw as usize % QUIET.len()], raw / 7));
    }

    /// It is suspended, or at its end. Then it dies.
    fn leave(&mut self, g: Value) {
        self.next_pc += 1;
        let pc = self.next_pc;
        if self.pick(2) == 0 {
            let delegates = self.pick(2) == 0;
            self.b.suspend_generator(g, code(), SUSPENDED, 0, delegates);
            self.running = None;
            self.owned.push(g);
            self.at();
            let expected = if self.pick(4) == 0 { BEGIN } else { SUSPENDED };
            self.b.guard_suspended(g, code(), expected);
        } else {
            self.running = None;
            self.owned.push(g);
            self.snapshot(Resume::After, pc, &[]);
            self.b.finish_generator(g);
            self.check_validity();
        }
        self.owned.retain(|&v| v != g);
        self.drop_reference(g, false);
        self.check_validity();
    }
}
