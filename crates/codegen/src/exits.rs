//! Exits.
//!
//! ```text
//! hot path:       cmp; jcc exit3                       6 bytes for the jump
//! exit3:          mov v1 → values[0] ...               4 bytes for each live value, if no other exit has the same ones
//!                 mov 3 → n; jmp common (or: stores)   10 bytes
//! stores:         mov v1 → values[0] ...; jmp common   shared by exits with the same live values
//! common:         exit = table + n * stride; tail call [exit].code
//! ```

use crate::compile::{Live, Location, Refusal, superblock_signature};
use crate::host::{ExecState, MAX_PARAMS, MAX_VALUES};
use crate::translate::{Region, Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::{self as clif, Block, BlockArg, InstBuilder, types};
use cranelift_entity::EntityRef;
use cranelift_frontend::FunctionBuilder;
use hotspur_ir::{AbortReason, ExitId, Inst, SnapshotId, Value};
use std::collections::HashMap;

/// The type of an exit's number. Nothing else has it, so the number is no constant that code elsewhere shares.
const NUMBER: clif::Type = types::I16;

/// The block of an exit, which is written when everything else is.
struct Pending {
    block: Block,
    id: ExitId,
    snapshot: SnapshotId,
}

/// Exits so far.
pub(crate) struct Exits {
    count: usize,
    /// Of the op that is being translated: number, snapshot, block once there is one.
    current: Option<(ExitId, SnapshotId, Option<Block>)>,
    pending: Vec<Pending>,
    common: Block,
}

impl Exits {
    pub(crate) fn new(b: &mut FunctionBuilder<'_>) -> Exits {
        let common = b.create_block();
        b.set_cold_block(common);
        Exits { count: 0, current: None, pending: Vec::new(), common }
    }

    /// The block that all exits share.
    pub(crate) fn common(&self) -> Block {
        self.common
    }

    /// This op is next.
    pub(crate) fn next(&mut self, inst: &Inst) {
        self.current = inst.op.exit_reason().and(inst.snapshot).map(|snapshot| {
            self.count += 1;
            (ExitId::new(self.count - 1), snapshot, None)
        });
    }
}

impl Translator<'_> {
    /// The loop goes round.
    pub(crate) fn count_round(&mut self) {
        if let Some(prologue) = self.env.prologue {
            self.count_at(prologue.rounds);
            return;
        }
        let offset = offset_of!(ExecState, rounds) as i32;
        let rounds = self.load(types::I64, self.state, offset);
        let rounds = self.b.ins().iadd_imm(rounds, 1);
        self.store(rounds, self.state, offset);
    }

    /// Adds one to the word at an address.
    pub(crate) fn count_at(&mut self, address: u64) {
        let address = self.word(address);
        let count = self.load(types::I64, address, 0);
        let count = self.b.ins().iadd_imm(count, 1);
        self.store(count, address, 0);
    }

    /// Finds out what the snapshot needs.
    pub(crate) fn describe(&mut self, snapshot: SnapshotId) -> Result<(), Refusal> {
        if !self.snapshots[snapshot].live.is_empty() {
            return Ok(());
        }
        let values = self.sb.live(snapshot);
        let mut next = 0;
        let live = |value: Value| Live { value, ty: self.sb.values[value], location: self.location(value, &mut next) };
        let live: Box<[Live]> = values.into_iter().map(live).collect();
        if next as usize > MAX_VALUES {
            return Err(too_large(format!("{next} live values")));
        }
        self.snapshots[snapshot].live = live;
        Ok(())
    }

    /// Values of the snapshot that are to be stored, in order.
    fn stored(&self, snapshot: SnapshotId) -> Vec<Value> {
        let is_stored = |l: &&Live| matches!(l.location, Location::Values(_));
        self.snapshots[snapshot].live.iter().filter(is_stored).map(|l| l.value).collect()
    }

    fn store_all(&mut self, values: &[Value]) {
        for (i, &v) in values.iter().enumerate() {
            self.store_value(self.v(v), i);
        }
    }

    /// Stores what the snapshot of an op needs, for the host to publish. The snapshot's number.
    pub(crate) fn store_live(&mut self, inst: &Inst) -> Result<clif::Value, Refusal> {
        let snapshot = inst.snapshot.expect("the verifier has seen that ops which escape have one");
        self.describe(snapshot)?;
        let stored = self.stored(snapshot);
        self.store_all(&stored);
        Ok(self.number(snapshot.as_u32()))
    }

    /// The block that takes the exit of the op that is being translated.
    pub(crate) fn exit_block(&mut self) -> Block {
        let current = self.exits.current.as_mut().expect("the verifier has seen that ops which exit have a snapshot");
        if let Some(block) = current.2 {
            return block;
        }
        let block = self.b.create_block();
        current.2 = Some(block);
        self.exits.pending.push(Pending { block, id: current.0, snapshot: current.1 });
        block
    }

    /// Leaves, with a result.
    pub(crate) fn leave(&mut self, result: Option<clif::Value>) -> Option<clif::Value> {
        if let Some(value) = result {
            self.store_state(value, offset_of!(ExecState, result));
        }
        let exit = self.exit_block();
        self.b.ins().jump(exit, &[]);
        None
    }

    /// Leaves to another executor.
    pub(crate) fn link(&mut self, args: &[Value]) -> Result<Option<clif::Value>, Refusal> {
        if args.len() > MAX_PARAMS {
            return Err(too_large(format!("{} arguments", args.len())));
        }
        for (i, &v) in args.iter().enumerate() {
            self.store_state(self.v(v), offset_of!(ExecState, args) + 8 * i);
        }
        Ok(self.leave(None))
    }

    /// Writes all exits.
    pub(crate) fn emit_exits(&mut self) -> Result<(), Refusal> {
        let pending = std::mem::take(&mut self.exits.pending);
        if u16::try_from(self.exits.count).is_err() {
            let message = format!("{} exits", self.exits.count);
            return Err(Refusal { reason: AbortReason::TooManyExits, message });
        }
        let mut users: HashMap<Vec<Value>, (usize, Option<Block>)> = HashMap::new();
        for exit in &pending {
            self.describe(exit.snapshot)?;
            users.entry(self.stored(exit.snapshot)).or_default().0 += 1;
        }
        let common = self.exits.common;
        let mut shared = Vec::new();
        for Pending { block, id, snapshot } in pending {
            let stored = self.stored(snapshot);
            let entry = users.get_mut(&stored).expect("entered above");
            let target = if stored.is_empty() || entry.0 == 1 {
                common
            } else if let Some(stores) = entry.1 {
                stores
            } else {
                let stores = self.b.create_block();
                entry.1 = Some(stores);
                shared.push((stores, stored.clone()));
                stores
            };
            self.b.set_cold_block(block);
            self.b.switch_to_block(block);
            self.in_region(Region::Exit(id), |t| {
                if target == common {
                    t.store_all(&stored);
                }
                let number = t.b.ins().iconst(NUMBER, i64::from(id.as_u32()));
                t.b.ins().jump(target, &[BlockArg::Value(number)]);
            });
        }
        for (block, stored) in shared {
            self.b.set_cold_block(block);
            let number = self.b.append_block_param(block, NUMBER);
            self.b.switch_to_block(block);
            self.in_region(Region::Shared, |t| {
                t.store_all(&stored);
                t.b.ins().jump(common, &[BlockArg::Value(number)]);
            });
        }
        self.in_region(Region::Shared, Self::emit_common);
        Ok(())
    }

    fn emit_common(&mut self) {
        let number = self.b.append_block_param(self.exits.common, NUMBER);
        self.b.switch_to_block(self.exits.common);
        let table = self.env.exits;
        let number = self.b.ins().uextend(types::I64, number);
        let offset = self.b.ins().imul_imm(number, i64::from(table.stride));
        let base = self.word(table.base);
        let exit = self.b.ins().iadd(base, offset);
        self.store_state(exit, offset_of!(ExecState, exit));
        let code = self.load(types::I64, exit, table.code as i32);
        let signature = self.b.import_signature(superblock_signature());
        self.b.ins().return_call_indirect(signature, code, &[self.state]);
    }
}
