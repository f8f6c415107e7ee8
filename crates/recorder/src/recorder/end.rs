//! The end of a trace: whether it is here, how it ends, and what becomes of it.

use super::{Recorder, Step, Verdict};
use crate::lower;
use crate::ownership;
use crate::state::{Frames, unseen};
use crate::trace::{Dependencies, Place, Trace};
use hotspur_ir::{
    AbortReason, CodeRef, ExecutorRef, ExitReason, LoopBody, Op, Resume, Snapshot, SnapshotId, Superblock,
};
use hotspur_tier1::code::CodeState;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};
use std::collections::HashMap;

impl Recorder {
    /// Ends the trace if this position is where it has to end.
    pub(super) unsafe fn boundary(
        &mut self,
        state: State,
        back_edge: bool,
        has_executor: &mut dyn FnMut(*mut CodeState, usize) -> bool,
    ) -> Step<()> {
        self.f.stamp(self.f.count);
        if self.f.count == 0 {
            return Ok(());
        }
        let place = Place { code: state.cs, position: state.index() as usize };
        if place == self.entry && self.f.frames.len() == 1 && Some(self.f.height()) == self.entry_height {
            // If the next round would not find the generator where this one has, it is another executor's.
            if self.f.resumed != self.f.suspended
                && self.f.resumed.is_some()
                && has_executor(place.code, place.position)
            {
                self.link(place);
                return Ok(());
            }
            self.f.flush();
            self.f.builder.jump_loop(&[]);
            self.ended = true;
            return Ok(());
        }
        let enters_function = INFO[usize::from((*state.pc).op)].base == op::RESUME && self.f.frames.len() > 1;
        if enters_function && self.f.len() >= self.limits.inlined_ops && has_executor(place.code, place.position) {
            self.link(place);
            return Ok(());
        }
        if enters_function {
            let same = self.f.frames.iter().filter(|f| f.cs == state.cs).count() - 1;
            if same < self.limits.recursion && self.f.frames.len() <= self.limits.depth {
                return self.check_limits(place);
            }
            if has_executor(place.code, place.position) {
                self.link(place);
                return Ok(());
            }
            let too_deep = same < self.limits.recursion;
            return self.end(place, if too_deep { AbortReason::TooDeep } else { AbortReason::RecursionUnrolled });
        }
        // An executor that begins where a generator yields to is for those that come from its frame. One that begins in the generator, too:
        // it yields as a rule before it is there again.
        // One that goes round a loop over a generator expects it where a round leaves it.
        let position = place.position as u32;
        let begins = !back_edge && lower::begins_generator(state);
        let passes =
            self.yielded || begins || self.f.top().generator.is_some() && !self.f.top().rounds.contains_key(&position);
        if !passes && has_executor(place.code, place.position) {
            self.link(place);
            return Ok(());
        }
        if passes {
            self.f.top_mut().rounds.entry(position).or_insert(0);
        }
        if back_edge {
            let rounds = self.f.top_mut().rounds.entry(position).or_insert(0);
            *rounds += 1;
            if *rounds > self.limits.inner_rounds {
                return self.end(place, AbortReason::InnerLoop);
            }
        }
        self.check_limits(place)
    }

    fn check_limits(&mut self, place: Place) -> Step<()> {
        if self.f.snapshot_size() > self.limits.snapshot_slots {
            return Err(AbortReason::SnapshotTooLarge);
        }
        if self.f.objects.len() > self.limits.constants {
            return Err(AbortReason::TooManyConstants);
        }
        if self.f.count >= self.limits.instructions || self.f.len() >= self.limits.ops {
            return self.end(place, AbortReason::TooLong);
        }
        Ok(())
    }

    /// Goes on in the executor that begins here.
    fn link(&mut self, place: Place) {
        self.f.begin(place.position as u32);
        self.f.flush();
        let id = self.executors.iter().position(|&p| p == place).unwrap_or_else(|| {
            self.executors.push(place);
            self.executors.len() - 1
        });
        self.f.snapshot_in_memory(Resume::At);
        self.f.builder.link(ExecutorRef::from_u32(id as u32), &[]);
        self.ended = true;
    }

    /// Leaves for tier 1 here, unless the trace is too short for that.
    fn end(&mut self, place: Place, reason: AbortReason) -> Step<()> {
        // What resumes a generator somewhere is of use however short it is: others come there as well.
        if self.f.count < self.limits.useful && self.f.top().generator.is_none() {
            return Err(reason);
        }
        self.f.begin(place.position as u32);
        self.f.exit(if reason == AbortReason::InnerLoop { ExitReason::InnerLoop } else { ExitReason::EndOfTrace });
        self.ended = true;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Verdict {
        let code = CodeRef::from_u32(0);
        let f = core::mem::replace(&mut self.f, Frames::new(code, 0, unseen()));
        let instructions = f.count;
        let ticks = f.ticks.clone();
        let (codes, values, functions, types, held) =
            (f.codes.clone(), f.values.clone(), f.functions.clone(), f.types.clone(), f.held.clone());
        let uncounted = f.uncounted();
        let (mut superblock, objects, counts) = f.finish();
        count_exits(&mut superblock, &counts);
        let is_loop = superblock.prefix.last().is_some_and(|i| matches!(i.op, Op::JumpLoop { .. }));
        if is_loop {
            into_loop(&mut superblock, instructions);
        }
        if let Err(errors) = hotspur_ir::verify(&superblock) {
            debug_assert!(false, "the recorder made a malformed superblock: {}\n{superblock}", errors[0]);
            return Verdict::Aborted(AbortReason::VerifierFailed);
        }
        if self.limits.check
            && let Err(error) = ownership::check(
                &superblock,
                &|v| uncounted.contains(&v),
                self.entry_height.unwrap_or(0),
                core::mem::take(&mut self.taken_over),
            )
        {
            debug_assert!(false, "the recorder lost count of references: {error}\n{superblock}");
            return Verdict::Aborted(AbortReason::VerifierFailed);
        }
        if superblock.exits().count() > self.limits.exits {
            return Verdict::Aborted(AbortReason::TooManyExits);
        }
        Verdict::Finished(Box::new(Trace {
            superblock,
            objects,
            held,
            executors: core::mem::take(&mut self.executors),
            dependencies: Dependencies { codes: codes.clone(), values, functions, types, ..Dependencies::default() },
            codes,
            entry: self.entry,
            inherits: self.inherits,
            ticks,
        }))
    }
}

/// Writes down in snapshots how many instructions are done at exits, given the numbers for all ops.
fn count_exits(superblock: &mut Superblock, counts: &[u32]) {
    let mut counted: HashMap<SnapshotId, u32> = HashMap::new();
    for (inst, &count) in superblock.prefix.iter_mut().zip(counts) {
        let (Some(_), Some(id)) = (inst.op.exit_reason(), inst.snapshot) else { continue };
        if *counted.entry(id).or_insert(count) == count {
            superblock.snapshots[id].instructions = count;
        } else {
            // Two exits leave the same frames, after more instructions or fewer.
            let snapshot = Snapshot { instructions: count, ..superblock.snapshots[id].clone() };
            inst.snapshot = Some(superblock.snapshots.push(snapshot));
        }
    }
}

/// Makes a superblock that ends by going round again a loop.
fn into_loop(superblock: &mut Superblock, instructions: u32) {
    let insts = core::mem::take(&mut superblock.prefix);
    let enter = hotspur_ir::Inst { op: Op::EnterLoop { args: Box::default() }, result: None, snapshot: None };
    superblock.prefix.push(enter);
    superblock.body = Some(LoopBody { params: Vec::new(), insts, instructions });
}
