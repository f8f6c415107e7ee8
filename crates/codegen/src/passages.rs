//! Passages: from a hot exit to another executor.
//!
//! An exit leaves its live values in the [`ExecState`]; frames are described by its snapshot. A passage takes the values
//! from there, makes the frames, and jumps to the code of the executor that begins where they are. It is what the
//! host's `side_exit` does, as machine code:
//!
//! ```text
//! is the executor open, and does nothing ask for attention?   no: the cold exit, as if there were no passage
//! count
//! take the live values; make the objects that slots are to hold
//! write the slots of frames in memory; push the other frames
//! jump
//! ```
//!
//! An exit that stays cold has a passage as well: to tier 1. Instead of jumping it writes where execution stands and returns, and it
//! counts how many times the exit is still to be taken until the host is to look at it.
//!
//! Nothing of that runs other code, so nobody sees frames that are half written. Positions of the instructions are not
//! written: the frames are not left to anybody but another executor or tier 1, and these note the position when somebody
//! may look. (Frames that are pushed on have theirs: `push_frame` notes it.)

use crate::compile::{Bridge, Goal, Location, Passage, Refusal, superblock_signature};
use crate::host::{ExecState, machine_type};
use crate::layout::Layout;
use crate::translate::{Done, Translator};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use hotspur_ir::{AbortReason, Slot, Type};
use std::collections::BTreeMap;

/// What the slots of a frame are to hold; none: what they hold.
struct Contents {
    function: Option<clif::Value>,
    generator: Option<clif::Value>,
    locals: Vec<Option<clif::Value>>,
    stack: Vec<Option<clif::Value>>,
}

impl Translator<'_> {
    /// Writes a passage, which is all of a function.
    pub(crate) fn passage(mut self, passage: &Passage<'_>) -> Done {
        let Some(layout) = self.env.layout else {
            let message = "a passage needs a layout".into();
            return Err(Refusal { reason: AbortReason::CompileFailed, message });
        };
        match passage.goal {
            Goal::Executor { open, .. } => self.open(open, passage.otherwise)?,
            Goal::Tier1 { counter, step, .. } => self.count_down(counter, step, passage.otherwise),
        }
        self.count_at(passage.taken);
        for live in passage.live {
            let value = self.left_at(live.location, live.ty);
            self.values[live.value] = value.into();
        }
        let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
        let top = self.load(types::I64, thread, layout.current_frame);
        self.make_frames(passage, top, layout.previous)?;
        match passage.goal {
            Goal::Executor { code, .. } => self.go(code),
            Goal::Tier1 { position, .. } => self.leave_for_tier1(passage, layout, position)?,
        }
        // No passage has a loop, but every function is given the block for one.
        self.b.switch_to_block(self.header);
        self.b.ins().trap(clif::TrapCode::unwrap_user(1));
        self.b.switch_to_block(self.exits.common());
        self.b.ins().trap(clif::TrapCode::unwrap_user(1));
        self.b.seal_all_blocks();
        self.b.finalize();
        Ok(())
    }

    /// Goes elsewhere if the counter is less than a step, or if the state is disturbed; counts down.
    fn count_down(&mut self, counter: u64, step: u16, elsewhere: u64) {
        let address = self.word(counter);
        let count = self.load(types::I16, address, 0);
        let is_due = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, count, i64::from(step));
        let otherwise = self.b.create_block();
        self.go_on_unless(is_due, otherwise, elsewhere);
        let count = self.b.ins().iadd_imm(count, -i64::from(step));
        self.store(count, address, 0);
    }

    /// Writes where execution stands, and goes back to the host.
    fn leave_for_tier1(&mut self, passage: &Passage<'_>, layout: &Layout, position: u32) -> Done {
        let (Some(returns), Some(top)) = (&layout.returns, self.sb.snapshots[passage.snapshot].frames.last()) else {
            let message = "a way to tier 1 needs to know how it goes on".into();
            return Err(Refusal { reason: AbortReason::CompileFailed, message });
        };
        let frame = self.b.use_var(self.addresses[self.frames.len() - 1]);
        let sp = self.stack_address(frame, top.code, top.stack.len() as u32);
        let pc = self.word(self.env.constants.instruction(top.code, position));
        let stream = self.word(self.env.constants.stream(top.code));
        self.write_landing([pc, sp, frame, stream], layout, returns);
        self.b.ins().return_(&[]);
        Ok(())
    }

    fn go(&mut self, code: u64) {
        let signature = self.b.import_signature(superblock_signature());
        let code = self.word(code);
        self.b.ins().return_call_indirect(signature, code, &[self.state]);
    }

    /// Goes elsewhere if the byte at `open` is zero, if the state is disturbed, or if something asks the thread for attention.
    fn open(&mut self, open: u64, elsewhere: u64) -> Done {
        let Some(layout) = self.env.layout else {
            let message = "this needs a layout".into();
            return Err(Refusal { reason: AbortReason::CompileFailed, message });
        };
        let thread = self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32);
        let open = self.word(open);
        let open = self.load(types::I8, open, 0);
        let [quiet, otherwise] = core::array::from_fn(|_| self.b.create_block());
        self.branch(open, quiet, otherwise);
        self.b.switch_to_block(quiet);
        let due = self.load(types::I8, thread, layout.eval_breaker);
        self.go_on_unless(due, otherwise, elsewhere);
        Ok(())
    }

    /// Goes elsewhere, by way of this block, if a byte is not zero or if the state is disturbed. The block may have been branched to before.
    fn go_on_unless(&mut self, due: clif::Value, otherwise: clif::Block, elsewhere: u64) {
        let disturbed = self.load(types::I8, self.state, offset_of!(ExecState, disturbed) as i32);
        let stops = self.b.ins().bor(due, disturbed);
        let on = self.b.create_block();
        self.branch(stops, otherwise, on);
        self.b.set_cold_block(otherwise);
        self.b.switch_to_block(otherwise);
        self.go(elsewhere);
        self.b.switch_to_block(on);
    }

    /// The beginning of a bridge.
    pub(crate) fn take_over(&mut self, bridge: &Bridge) -> Done {
        self.open(self.env.valid, bridge.otherwise)?;
        self.count_at(bridge.taken);
        if bridge.params.len() != self.sb.params.len() {
            let message = "its parent leaves other values".into();
            return Err(Refusal { reason: AbortReason::CompileFailed, message });
        }
        for (i, &location) in bridge.params.iter().enumerate() {
            let v = self.sb.params[i];
            let value = self.left_at(location, self.sb.values[v]);
            self.values[v] = value.into();
            if let Location::Constant(bits) = location {
                self.constants[v] = Some(bits);
            }
        }
        Ok(())
    }

    /// A value from where an exit has left it.
    fn left_at(&mut self, location: Location, ty: Type) -> clif::Value {
        match location {
            Location::Values(i) => {
                let offset = offset_of!(ExecState, values) + 8 * i as usize;
                self.load(machine_type(ty), self.state, offset as i32)
            }
            Location::Constant(bits) => match ty {
                Type::F64 => self.b.ins().f64const(f64::from_bits(bits)),
                Type::Bool => self.b.ins().iconst(types::I8, i64::from(bits != 0)),
                Type::Obj | Type::I64 | Type::Ptr => self.word(bits),
            },
        }
    }

    fn content(
        &mut self,
        slot: Slot,
        built: &mut BTreeMap<usize, clif::Value>,
    ) -> Result<Option<clif::Value>, Refusal> {
        Ok(match slot {
            Slot::Unchanged => None,
            Slot::Null => Some(self.word(0)),
            Slot::Owned(v) => Some(self.v(v)),
            Slot::Value(v) => Some(self.boxed(v)),
            Slot::Virtual(id) => Some(self.materialize_within(id, built)?),
        })
    }

    fn make_frames(&mut self, passage: &Passage<'_>, top: clif::Value, previous: i32) -> Done {
        let sb = self.sb;
        let snapshot = &sb.snapshots[passage.snapshot];
        // From the top frame in memory down.
        let in_memory = snapshot.in_memory();
        let mut addresses = vec![top];
        while addresses.len() < in_memory {
            let frame = self.load(types::I64, addresses[addresses.len() - 1], previous);
            addresses.push(frame);
        }
        addresses.reverse();
        let mut built = BTreeMap::new();
        let mut frames = Vec::new();
        for state in &snapshot.frames {
            let function = state.function.map(|f| self.content(f, &mut built)).transpose()?.flatten();
            let generator = state.generator.and_then(Slot::value).map(|v| self.v(v));
            let mut all = |slots: &[Slot]| slots.iter().map(|&s| self.content(s, &mut built)).collect();
            let (locals, stack): (Result<Vec<_>, Refusal>, Result<Vec<_>, Refusal>) =
                (all(&state.locals), all(&state.stack));
            frames.push(Contents { function, generator, locals: locals?, stack: stack? });
        }
        self.frames.clear();
        for (i, (state, contents)) in snapshot.frames.iter().zip(&frames).enumerate() {
            if let Some(function) = contents.function {
                let caller = &snapshot.frames[i - 1];
                let null = self.word(0);
                let locals: Vec<_> = contents.locals.iter().map(|v| v.unwrap_or(null)).collect();
                self.push_frame_of(state.code, caller.pc, caller.stack.len() as u32, function, &locals)?;
            } else {
                if let Some(generator) = contents.generator {
                    let caller = &snapshot.frames[i - 1];
                    self.push_generator_of(state.code, caller.pc, caller.stack.len() as u32, generator);
                } else {
                    self.add_frame(state.code, Some(addresses[i]));
                }
                self.write_slots(i, 0, &contents.locals);
            }
            let first = self.env.constants.locals(state.code);
            self.write_slots(i, first, &contents.stack);
        }
        Ok(())
    }

    fn write_slots(&mut self, depth: usize, first: u32, contents: &[Option<clif::Value>]) {
        let localsplus = self.env.layout.map_or(0, |l| l.localsplus);
        for (i, content) in contents.iter().enumerate() {
            if let Some(value) = *content {
                let frame = self.b.use_var(self.addresses[depth]);
                self.store(value, frame, localsplus + 8 * (first as i32 + i as i32));
            }
        }
    }
}
