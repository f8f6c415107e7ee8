//! Exits.
//!
//! ```text
//! hot path:       cmp; jcc exit3                       6 bytes for the jump
//! exit3:          mov 3 → n; jmp stores8               10 bytes
//! stores8:        mov v5 → values[2]; jmp stores4      4 bytes for each value that stores4 does not store
//! stores4:        mov v1 → values[0] ...; jmp common
//! common:         exit = table + n * stride; tail call [exit].code
//! ```
//!
//! Exits that follow one another need nearly the same values: a frame's variables, and what is on the stack for the moment. So a value keeps its
//! place in [`ExecState::values`] from snapshot to snapshot where it can (two values that are needed by one snapshot have different ones, so
//! a value may have to move), and exits share the stores. What a set of stores has in common with a smaller one is left to that.

use crate::compile::{Live, Location, Refusal, superblock_signature};
use crate::host::{ExecState, MAX_PARAMS, MAX_VALUES};
use crate::translate::{Region, Translator, too_large};
use core::mem::offset_of;
use cranelift_codegen::ir::{self as clif, Block, BlockArg, InstBuilder, types};
use cranelift_entity::{EntityRef, SecondaryMap};
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
    /// Where values were stored first.
    places: SecondaryMap<Value, Option<u32>>,
}

/// How far apart, in the order of the exits, sets of stores are looked at for one that is contained in the other.
const NEIGHBOURS: usize = 24;

/// Stores: indices in [`ExecState::values`], in order, and what is stored there.
type Stores = Vec<(u32, Value)>;

/// A set of stores that exits need.
struct StoreSet {
    stores: Stores,
    /// How many exits, and other sets, go on here.
    users: usize,
    /// The set that stores some of it.
    rest: Option<usize>,
    block: Option<Block>,
}

/// Whether all stores of one are among those of the other.
fn contains(all: &Stores, some: &Stores) -> bool {
    let mut all = all.iter();
    some.iter().all(|store| all.any(|s| s == store))
}

impl Exits {
    pub(crate) fn new(b: &mut FunctionBuilder<'_>) -> Exits {
        let common = b.create_block();
        b.set_cold_block(common);
        Exits { count: 0, current: None, pending: Vec::new(), common, places: SecondaryMap::new() }
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
        let count = values.iter().filter(|&&v| self.constant(v).is_none()).count();
        if count > MAX_VALUES {
            return Err(too_large(format!("{count} live values")));
        }
        let mut taken = [false; MAX_VALUES];
        let mut take = |at: u32| !core::mem::replace(&mut taken[at as usize], true);
        // First those that have a place.
        let location = |&v: &Value| match self.constant(v) {
            Some(bits) => Some(Location::Constant(bits)),
            None => self.exits.places[v].filter(|&at| take(at)).map(Location::Values),
        };
        let locations: Vec<Option<Location>> = values.iter().map(location).collect();
        let mut free = (0..MAX_VALUES as u32).filter(|&at| !taken[at as usize]);
        let mut live = Vec::new();
        for (value, location) in values.into_iter().zip(locations) {
            let location = location.unwrap_or_else(|| {
                let at = free.next().expect("there are no more values than places");
                self.exits.places[value].get_or_insert(at);
                Location::Values(at)
            });
            live.push(Live { value, ty: self.sb.values[value], location });
        }
        self.snapshots[snapshot].live = live.into();
        Ok(())
    }

    /// What is to be stored for a snapshot.
    fn stored(&self, snapshot: SnapshotId) -> Stores {
        let store = |l: &Live| match l.location {
            Location::Values(at) => Some((at, l.value)),
            Location::Constant(_) => None,
        };
        let mut stores: Stores = self.snapshots[snapshot].live.iter().filter_map(store).collect();
        stores.sort_unstable();
        stores
    }

    fn store_all(&mut self, stores: &[(u32, Value)]) {
        for &(at, v) in stores {
            self.store_value(self.v(v), at as usize);
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
        let mut numbers: HashMap<Stores, usize> = HashMap::new();
        let mut sets: Vec<StoreSet> = Vec::new();
        let mut of_exits = Vec::new();
        for exit in &pending {
            self.describe(exit.snapshot)?;
            let stores = self.stored(exit.snapshot);
            let number = *numbers.entry(stores).or_insert_with_key(|stores| {
                sets.push(StoreSet { stores: stores.clone(), users: 0, rest: None, block: None });
                sets.len() - 1
            });
            sets[number].users += 1;
            of_exits.push(number);
        }
        for i in 0..sets.len() {
            let neighbours = i.saturating_sub(NEIGHBOURS)..(i + NEIGHBOURS + 1).min(sets.len());
            let len = |n: &usize| sets[*n].stores.len();
            let is_part = |n: &usize| (1..len(&i)).contains(&len(n)) && contains(&sets[i].stores, &sets[*n].stores);
            let rest = neighbours.filter(is_part).max_by_key(len);
            if let Some(rest) = rest {
                sets[i].rest = Some(rest);
                sets[rest].users += 1;
            }
        }
        // Where a set has one user, that does the stores itself.
        for set in sets.iter_mut().filter(|set| set.users > 1 && !set.stores.is_empty()) {
            set.block = Some(self.b.create_block());
        }
        for (Pending { block, id, .. }, number) in pending.into_iter().zip(of_exits) {
            self.b.set_cold_block(block);
            self.b.switch_to_block(block);
            self.in_region(Region::Exit(id), |t| {
                let number_of_exit = t.b.ins().iconst(NUMBER, i64::from(id.as_u32()));
                t.go_to_stores(&sets, number, number_of_exit);
            });
        }
        for i in 0..sets.len() {
            let Some(block) = sets[i].block else { continue };
            self.b.set_cold_block(block);
            let number = self.b.append_block_param(block, NUMBER);
            self.b.switch_to_block(block);
            self.in_region(Region::Shared, |t| t.store_set(&sets, i, number));
        }
        self.in_region(Region::Shared, Self::emit_common);
        Ok(())
    }

    /// Goes to where a set is stored, or stores it here.
    fn go_to_stores(&mut self, sets: &[StoreSet], set: usize, number: clif::Value) {
        if let Some(block) = sets[set].block {
            self.b.ins().jump(block, &[BlockArg::Value(number)]);
        } else {
            self.store_set(sets, set, number);
        }
    }

    /// Stores what no smaller set stores, and goes on there.
    fn store_set(&mut self, sets: &[StoreSet], set: usize, number: clif::Value) {
        let StoreSet { stores, rest, .. } = &sets[set];
        let Some(rest) = *rest else {
            self.store_all(stores);
            self.b.ins().jump(self.exits.common, &[BlockArg::Value(number)]);
            return;
        };
        let own: Stores = stores.iter().filter(|s| !sets[rest].stores.contains(s)).copied().collect();
        self.store_all(&own);
        self.go_to_stores(sets, rest, number);
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
