//! Generators: their frames move from the object to the frames in memory and back.

use super::{Generator, Kind, Toy, ToyFrame, ToyRef};
use hotspur_ir::CodeRef;

/// How many locals frames for a code have: as the generator of superblocks numbers codes.
pub fn code_locals(code: CodeRef) -> usize {
    match code.as_u32() {
        0 => 3,
        n @ 1..20 => n as usize - 1,
        _ => 2,
    }
}

impl Toy {
    pub(super) fn generator(&mut self, object: ToyRef) -> &mut Generator {
        if !matches!(self.look(object), Kind::Generator(_)) {
            self.fault("is no generator", object);
            let spare = Generator { code: CodeRef::from_u32(0), pc: 0, function: None, state: 0, slots: Vec::new() };
            let spare = self.alloc(Kind::Generator(spare));
            return self.generator(spare);
        }
        let Kind::Generator(generator) = self.look(object) else { unreachable!("it was looked at") };
        generator
    }

    pub(super) fn locals_of(&mut self, generator: ToyRef) -> usize {
        code_locals(self.generator(generator).code)
    }

    /// The frame of the generator becomes the top frame.
    pub(super) fn push_generator_with(&mut self, generator: ToyRef, locals: usize) {
        let g = self.generator(generator);
        let (code, pc, runs) = (g.code, g.pc, g.state == 0);
        let mut slots = std::mem::take(&mut g.slots);
        if !runs {
            self.fault("does not run, and its frame is pushed", generator);
        }
        let stack = slots.split_off(locals.min(slots.len()));
        self.frames.push(ToyFrame { code, pc, function: None, locals: slots, stack, generator: Some(generator) });
    }

    /// Takes the top frame off. If it is a generator's, that gets its slots back.
    pub(super) fn unlink(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if let Some(generator) = frame.generator {
            self.generator(generator).slots = [frame.locals, frame.stack].concat();
        }
    }

    pub(super) fn suspend(&mut self, generator: ToyRef, code: CodeRef, pc: u32, stack: usize, delegates: bool) {
        let g = self.generator(generator);
        (g.code, g.pc, g.state) = (code, pc, if delegates { -1 } else { -2 });
        g.slots.resize(code_locals(code) + stack, None);
    }

    pub(super) fn finish(&mut self, generator: ToyRef) {
        let g = self.generator(generator);
        g.state = 4;
        let function = g.function.take();
        let mut slots = std::mem::take(&mut g.slots);
        // What was written for others to see, and taken back, is left above the stack.
        slots.truncate(code_locals(g.code));
        slots.into_iter().chain([function]).flatten().for_each(|o| self.release(o));
    }
}
