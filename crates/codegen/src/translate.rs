//! The walk over a superblock: one arm for each op, which says what Cranelift IR it becomes.
//!
//! Values of the superblock are Cranelift values: objects, integers and addresses are `i64`, doubles `f64`, truth
//! values `i8` (0 or 1). A superblock is SSA already, so only the addresses of frames need variables: an instruction of
//! tier 1 may push a frame where another was.

use crate::compile::{Environment, Refusal, SnapshotInfo};
use crate::exits::Exits;
use crate::host::{Callee, ExecState, HostFn, MAX_PARAMS, machine_type};
use core::mem::offset_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self as clif, Block, ExtFuncData, ExternalName, FuncRef, Function, InstBuilder, MemFlags, SourceLoc,
    UserExternalName, types,
};
use cranelift_entity::packed_option::PackedOption;
use cranelift_entity::{EntityRef, SecondaryMap};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use hotspur_ir::{AbortReason, CodeRef, ExitId, Inst, MemorySet, Moves, Op, SnapshotId, Superblock, Value};
use std::collections::{HashMap, HashSet};

/// What a piece of machine code is for; kept as Cranelift's source location. Ops have their numbers in program order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// The recorded path of an op.
    Hot(u32),
    /// A path within an op that is seldom taken.
    Slow(u32),
    /// An exit's own.
    Exit(ExitId),
    /// What exits share.
    Shared,
    /// What comes before the first op.
    Beginning,
}

impl Region {
    const KIND: u32 = 30;

    fn location(self) -> SourceLoc {
        let (kind, number) = match self {
            Region::Hot(op) => (0, op),
            Region::Slow(op) => (1, op),
            Region::Exit(id) => (2, id.as_u32()),
            Region::Beginning => (3, 0),
            Region::Shared => (3, 1),
        };
        SourceLoc::new(kind << Region::KIND | number)
    }

    /// The region with this location. None if there is no location, as for what Cranelift makes itself.
    pub(crate) fn of(location: SourceLoc) -> Option<Region> {
        let bits = location.bits();
        let number = bits & ((1 << Region::KIND) - 1);
        Some(match bits >> Region::KIND {
            0 => Region::Hot(number),
            1 => Region::Slow(number),
            2 => Region::Exit(ExitId::new(number as usize)),
            _ if bits == Region::Shared.location().bits() => Region::Shared,
            _ if bits == Region::Beginning.location().bits() => Region::Beginning,
            _ => return None,
        })
    }
}

/// What translating yields besides Cranelift IR.
pub(crate) struct Plan {
    pub snapshots: SecondaryMap<SnapshotId, SnapshotInfo>,
}

/// The state of the walk.
pub(crate) struct Translator<'a> {
    pub b: FunctionBuilder<'a>,
    pub sb: &'a Superblock,
    pub env: &'a Environment<'a>,
    pub state: clif::Value,
    pub snapshots: SecondaryMap<SnapshotId, SnapshotInfo>,
    pub exits: Exits,
    /// The number of the op that is being translated.
    pub op: u32,
    /// Codes of the frames in memory.
    pub frames: Vec<CodeRef>,
    /// Variables for the addresses of frames, by depth. They have values with a layout only.
    pub addresses: Vec<Variable>,
    /// Where the instruction that was executed last is expected to lead.
    pub executed: Moves,
    /// How many references an op takes that takes some.
    pub(crate) taken: u32,
    /// Whether other code may have run between the last check of validity and that instruction.
    pub executed_unchecked: bool,
    /// Whether other code may have run since validity was checked.
    pub unchecked: bool,
    /// The thread state, if there is a layout and a check that reads it.
    pub thread: Option<clif::Value>,
    /// Where the loop begins.
    pub header: Block,
    pub(crate) values: SecondaryMap<Value, PackedOption<clif::Value>>,
    pub(crate) constants: SecondaryMap<Value, Option<u64>>,
    /// Integers that are lengths.
    pub lengths: HashSet<Value>,
    /// A dictionary that was found to have a table of strings with values, and where its entries are. It has it still.
    pub table: Option<(clif::Value, clif::Value)>,
    callees: HashMap<Callee, FuncRef>,
}

pub(crate) type Done = Result<(), Refusal>;

impl<'a> Translator<'a> {
    /// The beginning of a function.
    pub(crate) fn new(
        function: &'a mut Function,
        context: &'a mut FunctionBuilderContext,
        sb: &'a Superblock,
        env: &'a Environment<'a>,
    ) -> Translator<'a> {
        let mut b = FunctionBuilder::new(function, context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let state = b.block_params(entry)[0];
        let header = b.create_block();
        let exits = Exits::new(&mut b);
        Translator {
            b,
            sb,
            env,
            state,
            snapshots: SecondaryMap::new(),
            exits,
            op: 0,
            frames: Vec::new(),
            addresses: Vec::new(),
            executed: Moves::Stays,
            taken: 1,
            executed_unchecked: false,
            unchecked: false,
            thread: None,
            header,
            values: SecondaryMap::new(),
            constants: SecondaryMap::new(),
            lengths: HashSet::new(),
            table: None,
            callees: HashMap::new(),
        }
    }

    /// Translates everything.
    pub(crate) fn translate(mut self) -> Result<Plan, Refusal> {
        self.b.set_srcloc(Region::Beginning.location());
        if let Some(bridge) = self.env.bridge {
            self.take_over(bridge)?;
        } else {
            self.take_args()?;
        }
        self.first_frame();
        if self.thread.is_none()
            && self.env.layout.is_some()
            && self.sb.insts().any(|i| matches!(i.op, Op::CheckPeriodic {}))
        {
            self.thread = Some(self.load(types::I64, self.state, offset_of!(ExecState, thread) as i32));
        }
        self.section(&self.sb.prefix)?;
        if let Some(body) = &self.sb.body {
            for &v in &body.params {
                let param = self.b.append_block_param(self.header, machine_type(self.sb.values[v]));
                self.values[v] = param.into();
            }
            self.b.switch_to_block(self.header);
            let frames = self.frames.clone();
            self.section(&body.insts)?;
            if self.frames != frames {
                let message = "the loop begins and ends with frames of different codes".into();
                return Err(Refusal { reason: AbortReason::CompileFailed, message });
            }
        }
        self.emit_exits()?;
        self.b.seal_all_blocks();
        self.b.finalize();
        Ok(Plan { snapshots: self.snapshots })
    }

    /// Takes the arguments that a link has left.
    fn take_args(&mut self) -> Done {
        if self.sb.params.len() > MAX_PARAMS {
            return Err(too_large(format!("{} parameters", self.sb.params.len())));
        }
        for (i, &v) in self.sb.params.iter().enumerate() {
            let offset = offset_of!(ExecState, args) + 8 * i;
            let arg = self.load(machine_type(self.sb.values[v]), self.state, offset as i32);
            self.values[v] = arg.into();
        }
        Ok(())
    }

    fn section(&mut self, insts: &'a [Inst]) -> Done {
        let mut insts = insts.iter().peekable();
        self.table = None;
        while let Some(inst) = insts.next() {
            self.exits.next(inst);
            self.b.set_srcloc(Region::Hot(self.op).location());
            self.fail_sometimes(inst);
            // A check of validity directly after a reference was dropped belongs to the path on which it was the last
            // one.
            let folded = if let (Op::Decref { .. } | Op::Xdecref { .. }, false) = (&inst.op, self.unchecked) {
                insts.next_if(|next| matches!(next.op, Op::CheckValidity {}))
            } else {
                None
            };
            let mut also = u32::from(folded.is_some());
            if let Op::Decref { value } | Op::Xdecref { value } = inst.op {
                self.decref(inst, value, folded)?;
            } else if let Some(guard) = self.asks_whether_ready(inst, insts.peek().copied()) {
                // Tested one by one, each with the exit of the guard.
                insts.next();
                self.exits.next(guard);
                self.fail_sometimes(guard);
                self.enumerate_ready(inst);
                also += 1;
            } else {
                // References that are taken at once are taken together.
                let next = matches!(inst.op, Op::ListIterNext { .. } | Op::TupleIterNext { .. });
                let takes = |i: &&Inst| matches!(i.op, Op::Incref { value } if inst.result == Some(value));
                while next && insts.next_if(takes).is_some() {
                    also += 1;
                }
                self.taken = 1 + also;
                self.inst(inst)?;
            }
            self.op += 1 + also;
            let effects = inst.op.effects();
            if effects.escapes || effects.writes.overlaps(MemorySet::DICT) {
                self.table = None;
            }
            if let Op::CheckValidity {} | Op::GuardLanded { .. } = inst.op {
                self.unchecked = false;
            } else {
                self.unchecked |= inst.op.effects().escapes && folded.is_none();
            }
        }
        Ok(())
    }

    // -- values ----------------------------------------------------------------------------------------------------------

    /// The value.
    pub(crate) fn v(&self, v: Value) -> clif::Value {
        self.values[v].expand().expect("the verifier has seen that values are defined before they are used")
    }

    /// The op yields this value.
    pub(crate) fn def(&mut self, inst: &Inst, value: clif::Value) {
        if let Some(v) = inst.result {
            self.values[v] = value.into();
        }
    }

    /// The op yields a constant, of which these are the bits.
    pub(crate) fn note_constant(&mut self, inst: &Inst, bits: u64) {
        if let Some(v) = inst.result {
            self.constants[v] = Some(bits);
        }
    }

    /// The bits, if the value is a constant.
    pub(crate) fn constant(&self, v: Value) -> Option<u64> {
        self.constants[v]
    }

    /// Whether the integer is known not to be negative.
    pub(crate) fn is_natural(&self, v: Value) -> bool {
        self.lengths.contains(&v) || self.constant(v).is_some_and(|n| n as i64 >= 0)
    }

    /// A 32-bit number.
    pub(crate) fn number(&mut self, n: u32) -> clif::Value {
        self.b.ins().iconst(types::I32, i64::from(n))
    }

    /// A word.
    pub(crate) fn word(&mut self, n: u64) -> clif::Value {
        self.b.ins().iconst(types::I64, n as i64)
    }

    /// The address of an object.
    pub(crate) fn object(&mut self, object: hotspur_ir::ObjRef) -> clif::Value {
        self.word(self.env.constants.object(object))
    }

    /// Reads memory.
    pub(crate) fn load(&mut self, ty: clif::Type, base: clif::Value, offset: i32) -> clif::Value {
        self.b.ins().load(ty, MemFlags::trusted(), base, offset)
    }

    /// Writes memory.
    pub(crate) fn store(&mut self, value: clif::Value, base: clif::Value, offset: i32) {
        self.b.ins().store(MemFlags::trusted(), value, base, offset);
    }

    /// Writes a field of the state.
    pub(crate) fn store_state(&mut self, value: clif::Value, offset: usize) {
        self.store(value, self.state, offset as i32);
    }

    /// Writes `values[index]`.
    pub(crate) fn store_value(&mut self, value: clif::Value, index: usize) {
        self.store_state(value, offset_of!(ExecState, values) + 8 * index);
    }

    // -- control ---------------------------------------------------------------------------------------------------------

    /// Goes to the first block if the condition holds, otherwise to the second, and goes on writing there, in the first.
    pub(crate) fn branch(&mut self, condition: clif::Value, then: Block, otherwise: Block) {
        self.b.ins().brif(condition, then, &[], otherwise, &[]);
    }

    /// Exits unless the condition holds.
    pub(crate) fn guard(&mut self, condition: clif::Value) {
        let (next, exit) = (self.b.create_block(), self.exit_block());
        self.branch(condition, next, exit);
        self.b.switch_to_block(next);
    }

    /// Exits if the condition holds.
    pub(crate) fn guard_not(&mut self, condition: clif::Value) {
        let (next, exit) = (self.b.create_block(), self.exit_block());
        self.branch(condition, exit, next);
        self.b.switch_to_block(next);
    }

    /// See [`Failing`](crate::Failing).
    fn fail_sometimes(&mut self, inst: &Inst) {
        let Some(failing) = self.env.failing else { return };
        if !self.sb.may_leave_at_will(inst) {
            return;
        }
        let address = self.word(failing.countdown);
        let left = self.load(types::I32, address, 0);
        let fails = self.b.ins().icmp_imm(IntCC::UnsignedLessThanOrEqual, left, 1);
        let anew = self.number(failing.every);
        let fewer = self.b.ins().iadd_imm(left, -1);
        let next = self.b.ins().select(fails, anew, fewer);
        self.store(next, address, 0);
        self.guard_not(fails);
    }

    /// Does something seldom: if the condition holds, what `f` writes is executed.
    pub(crate) fn seldom(&mut self, condition: clif::Value, f: impl FnOnce(&mut Self) -> Done) -> Done {
        let (slow, next) = (self.b.create_block(), self.b.create_block());
        self.branch(condition, slow, next);
        self.b.set_cold_block(slow);
        self.b.switch_to_block(slow);
        self.in_region(Region::Slow(self.op), f)?;
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        Ok(())
    }

    /// What `f` writes is accounted for there.
    pub(crate) fn in_region<T>(&mut self, region: Region, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.b.srcloc();
        self.b.set_srcloc(region.location());
        let result = f(self);
        self.b.set_srcloc(before);
        result
    }

    // -- calls -----------------------------------------------------------------------------------------------------------

    pub(crate) fn callee(&mut self, callee: Callee) -> FuncRef {
        if let Some(&known) = self.callees.get(&callee) {
            return known;
        }
        let signature = self.b.import_signature(callee.signature());
        let name = UserExternalName { namespace: 0, index: callee.number() as u32 };
        let name = self.b.func.declare_imported_user_function(name);
        let data = ExtFuncData { name: ExternalName::user(name), signature, colocated: true, patchable: false };
        let function = self.b.import_function(data);
        self.callees.insert(callee, function);
        function
    }

    /// Calls anything; what it yields, if it yields something.
    pub(crate) fn call_any(&mut self, callee: Callee, args: &[clif::Value]) -> Option<clif::Value> {
        let function = self.callee(callee);
        let call = self.b.ins().call(function, args);
        self.b.inst_results(call).first().copied()
    }

    /// Calls a function of the host that yields nothing.
    pub(crate) fn call(&mut self, function: HostFn, args: &[clif::Value]) {
        let args: smallvec::SmallVec<[clif::Value; 6]> = [self.state].into_iter().chain(args.iter().copied()).collect();
        self.call_any(Callee::Host(function), &args);
    }

    /// Calls a function of the host that yields something.
    pub(crate) fn ask(&mut self, function: HostFn, args: &[clif::Value]) -> clif::Value {
        let args: smallvec::SmallVec<[clif::Value; 6]> = [self.state].into_iter().chain(args.iter().copied()).collect();
        self.call_any(Callee::Host(function), &args).expect("the table gives this function a result")
    }
}

/// A limit is exceeded.
pub(crate) fn too_large(message: String) -> Refusal {
    Refusal { reason: AbortReason::SnapshotTooLarge, message }
}
