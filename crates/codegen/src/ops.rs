//! What each op becomes: one arm for each.

use crate::heap::Sequence;
use crate::host::HostFn;
use crate::translate::{Done, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, BlockArg, InstBuilder, types};
use cranelift_frontend::FuncInstBuilder;
use hotspur_ir::{Inst, Op, Value, VirtualKind, op_that_computes};

impl<'a> Translator<'a> {
    /// An instruction with one operand.
    fn one(&mut self, a: Value, f: impl FnOnce(FuncInstBuilder<'_, 'a>, clif::Value) -> clif::Value) -> clif::Value {
        let a = self.v(a);
        f(self.b.ins(), a)
    }

    /// An instruction with two operands.
    fn two(
        &mut self,
        a: Value,
        b: Value,
        f: impl FnOnce(FuncInstBuilder<'_, 'a>, clif::Value, clif::Value) -> clif::Value,
    ) -> clif::Value {
        let (a, b) = (self.v(a), self.v(b));
        f(self.b.ins(), a, b)
    }

    /// Translates an op.
    pub(crate) fn inst(&mut self, inst: &'a Inst) -> Done {
        let result = match inst.op {
            // Without a layout, code has everything done for it: so tests see the functions of all these ops.
            op_that_computes!() if self.env.layout.is_none() => self.compute(inst),

            // -- constants
            Op::ConstObj { object } => {
                let address = self.env.constants.object(object);
                let value = self.word(address);
                self.note_constant(inst, address);
                Some(value)
            }
            Op::ConstNull {} => {
                let value = self.word(0);
                self.note_constant(inst, 0);
                Some(value)
            }
            Op::ConstI64 { number } => {
                let value = self.word(number as u64);
                self.note_constant(inst, number as u64);
                Some(value)
            }
            Op::ConstF64 { number } => {
                let value = self.b.ins().f64const(number.get());
                self.note_constant(inst, number.bits());
                Some(value)
            }
            Op::ConstBool { truth } => {
                let value = self.b.ins().iconst(types::I8, i64::from(truth));
                self.note_constant(inst, truth.into());
                Some(value)
            }

            // -- frames in memory
            Op::LoadLocal { depth, index } => Some(self.load_local(depth, index)),
            Op::LoadStack { depth, index } => Some(self.load_stack(depth, index)),
            Op::LoadGlobals { depth } => Some(self.load_globals(depth)),
            Op::LoadBuiltins { depth } => Some(self.load_builtins(depth)),
            Op::SpillLocal { depth, index, value } => self.spill_local(depth, index, value),
            Op::SpillStack { depth, index, value } => self.spill_stack(depth, index, value),
            Op::PushFrame { code, caller_pc, function, ref locals } => {
                self.push_frame(inst, code, caller_pc, function, locals)?
            }
            Op::PopFrame {} => self.pop_frame(inst)?,
            Op::ReturnValue { value, ref dropped } => self.return_value(value, dropped)?,

            // -- guards
            Op::GuardType { value, class } => self.guard_type(value, class),
            Op::GuardTypeOrNull { value, class } => self.unless_null(value, |t| Ok(t.guard_type(value, class)))?,
            Op::GuardClassVersion { class, version } => self.guard_class_version(class, version),
            Op::GuardTypeVersion { value, version } => self.guard_type_version(value, version),
            Op::GuardKeysVersion { dict, version } => self.guard_keys_version(dict, version),
            Op::GuardSharedKeysVersion { value, version } => self.guard_shared_keys_version(value, version),
            Op::GuardInstanceKeysVersion { class, version } => self.guard_instance_keys_version(class, version),
            Op::GuardGlobalVersion { dict, version } => self.guard_global_version(dict, version),
            Op::GuardFunctionVersion { function, version } => self.guard_function_version(function, version),
            Op::GuardIs { value, object } => self.guard_is(value, object, IntCC::Equal),
            Op::GuardIsNot { value, object } => self.guard_is(value, object, IntCC::NotEqual),
            Op::GuardTrue { value } => self.guard_value(value, true),
            Op::GuardFalse { value } => self.guard_value(value, false),
            Op::GuardNull { value } => self.guard_value(value, false),
            Op::GuardNotNull { value } => self.guard_value(value, true),
            Op::GuardCompact { value } => self.guard_digits(value, 1, HostFn::IsCompact),
            Op::GuardWide { value } => self.guard_digits(value, 2, HostFn::IsWide),
            Op::GuardIndex { index, length } => self.guard_index(index, length),
            Op::GuardCmpI64 { cond, a, b } => self.guard_cmp_i64(cond, a, b),
            Op::GuardCmpF64 { cond, a, b } => self.guard_cmp_f64(cond, a, b),
            Op::GuardInlineValues { value } => self.guard_inline_values(value),
            Op::GuardNoDict { value } => self.guard_no_dict(value),
            Op::GuardShared { value } => self.guard_shared(value),
            Op::GuardSharedOrNull { value } => self.unless_null(value, |t| Ok(t.guard_shared(value)))?,
            Op::CheckValidity {} => self.check_validity(),
            Op::CheckPeriodic {} => self.check_periodic(),
            Op::GuardPlainFrame {} => self.guard_plain_frame(),
            Op::CheckStackSpace {} => self.check_stack_space(),
            Op::CheckError { value } => self.guard_value(value, true),
            Op::CheckNegative { value } => self.check_negative(value),

            // -- boxes
            Op::UnboxI64 { value } => Some(self.unbox_i64(value)),
            Op::UnboxWide { value } => Some(self.unbox_wide(value)),
            Op::BoxI64 { value } => Some(self.box_i64(self.v(value))),
            Op::UnboxF64 { value } => Some(self.unbox_f64(value)),
            Op::ReboxF64 { value, dying } => Some(self.rebox_f64(value, dying)?),
            Op::ReboxI64 { value, dying } => Some(self.rebox_i64(value, dying)?),
            Op::BoxF64 { value } => Some(self.box_f64(self.v(value))),
            Op::UnboxBool { value } => Some(self.unbox_bool(value)),
            Op::BoxBool { value } => Some(self.box_bool(self.v(value))),

            // -- integers
            Op::AddI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.iadd(a, b))),
            Op::SubI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.isub(a, b))),
            Op::MulI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.imul(a, b))),
            Op::NegI64 { a } => Some(self.one(a, |ins, a| ins.ineg(a))),
            Op::AndI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.band(a, b))),
            Op::OrI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.bor(a, b))),
            Op::XorI64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.bxor(a, b))),
            Op::NotI64 { a } => Some(self.one(a, |ins, a| ins.bnot(a))),
            Op::AddI64Ovf { a, b } => Some(self.add_ovf(a, b)),
            Op::SubI64Ovf { a, b } => Some(self.sub_ovf(a, b)),
            Op::MulI64Ovf { a, b } => Some(self.mul_ovf(a, b)),
            Op::NegI64Ovf { a } => Some(self.neg_ovf(a)),
            Op::ShlI64Ovf { a, b } => Some(self.shl_ovf(a, b)),
            Op::ShrI64Ovf { a, b } => Some(self.shr_ovf(a, b)),
            Op::FloorDivI64 { a, b } => Some(self.floor_div(a, b)),
            Op::ModI64 { a, b } => Some(self.modulo(a, b)),
            Op::I64ToF64 { a } => Some(self.one(a, |ins, a| ins.fcvt_from_sint(types::F64, a))),
            Op::BitLengthI64 { a } => Some(self.bit_length(a)),
            Op::BoolToI64 { a } => Some(self.one(a, |ins, a| ins.uextend(types::I64, a))),
            Op::F64ToI64Ovf { a } => Some(self.truncate(a)),

            // -- doubles
            Op::AddF64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.fadd(a, b))),
            Op::SubF64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.fsub(a, b))),
            Op::MulF64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.fmul(a, b))),
            Op::DivF64 { a, b } => Some(self.two(a, b, |ins, a, b| ins.fdiv(a, b))),
            Op::NegF64 { a } => Some(self.one(a, |ins, a| ins.fneg(a))),
            Op::AbsF64 { a } => Some(self.one(a, |ins, a| ins.fabs(a))),
            Op::SqrtF64 { a } => Some(self.one(a, |ins, a| ins.sqrt(a))),
            Op::IsIntegerF64 { a } => Some(self.is_integer(a)),

            // -- comparisons
            Op::CmpI64 { cond, a, b } => Some(self.cmp_i64(cond, a, b)),
            Op::CmpF64 { cond, a, b } => Some(self.cmp_f64(cond, a, b)),
            Op::SameObj { a, b } => Some(self.two(a, b, |ins, a, b| ins.icmp(IntCC::Equal, a, b))),
            Op::IsNull { a } => Some(self.one(a, |ins, a| ins.icmp_imm(IntCC::Equal, a, 0))),
            Op::NotBool { a } => Some(self.one(a, |ins, a| ins.bxor_imm(a, 1))),
            Op::RangeLen { start, stop, step } => Some(self.range_len(start, stop, step)),

            // -- all other ops that compute: calls of the functions in their rows
            op_that_computes!() => self.compute(inst),

            // -- heap
            Op::TypeOf { value } => Some(self.type_of(self.v(value))),
            Op::LoadInline { value, index } => Some(self.load_inline(value, index)),
            Op::StoreInline { value, index, content } => self.store_inline(value, index, content)?,
            Op::LoadSlot { value, offset } => Some(self.load_slot(value, offset)),
            Op::StoreSlot { value, offset, content } => self.store_slot(value, offset, content),
            Op::ListLen { list } => Some(self.list_len(list)),
            Op::ListItems { list } => Some(self.list_items(list)),
            Op::LoadItem { items, index } => Some(self.load_item(items, index)),
            Op::StoreItem { items, index, content } => self.store_item(items, index, content),
            Op::TupleLen { tuple } => Some(self.tuple_len(tuple)),
            Op::LoadTupleItem { tuple, index } => Some(self.load_tuple_item(tuple, index)),
            Op::GuardTypecode { array, typecode } => self.guard_typecode(array, typecode),
            Op::ArrayLen { array } => Some(self.array_len(array)),
            Op::ArrayElements { array, offset } => Some(self.array_elements(array, offset)),
            Op::InnerElements { object, offset } => Some(self.inner_elements(object, offset)),
            Op::LoadElementI64 { elements, index, kind } => Some(self.load_element_i64(elements, index, kind)),
            Op::LoadElementF64 { elements, index, kind } => Some(self.load_element_f64(elements, index, kind)),
            Op::StoreElementI64 { elements, index, kind, content } => {
                self.store_element_i64(elements, index, kind, content)
            }
            Op::StoreElementF64 { elements, index, kind, content } => {
                self.store_element_f64(elements, index, kind, content)
            }
            Op::LoadCell { cell } => Some(self.load_cell(cell)),
            Op::StoreCell { cell, content } => self.store_cell(cell, content),
            Op::LoadDictValue { dict, index } => Some(self.load_dict_value(self.v(dict), index)),
            Op::StoreDictValue { dict, index, content } => self.store_dict_value(self.v(dict), index, content),
            Op::ModuleDict { module } => Some(self.module_dict(module)),
            Op::LoadGlobal { dict, index } => {
                let dict = self.object(dict);
                Some(self.load_dict_value(dict, index))
            }
            Op::StoreGlobal { dict, index, content } => {
                let dict = self.object(dict);
                self.store_dict_value(dict, index, content)
            }

            // -- references
            Op::Adopt { value } => Some(self.v(value)),
            Op::Incref { value } => self.incref(self.v(value)),
            Op::Decref { value } | Op::Xdecref { value } => return self.decref(inst, value, None),
            Op::DecrefNoDealloc { value } => self.decref_no_dealloc(value)?,
            Op::XdecrefNoDealloc { value } => self.unless_null(value, |t| t.decref_no_dealloc(value))?,

            // -- allocation
            Op::NewTuple { ref items } => Some(self.build(VirtualKind::Tuple, items)?),
            Op::NewList { ref items } => Some(self.build(VirtualKind::List, items)?),
            Op::NewSlice { start, stop, step } => Some(self.build(VirtualKind::Slice, &[start, stop, step])?),
            Op::NewRange { start, stop, step } => Some(self.build(VirtualKind::Range, &[start, stop, step])?),
            Op::NewRangeIter { next, step, left } => Some(self.build(VirtualKind::RangeIter, &[next, step, left])?),
            Op::NewBoundMethod { function, receiver } => {
                Some(self.build(VirtualKind::BoundMethod, &[function, receiver])?)
            }
            Op::NewCell { content } => Some(self.build(VirtualKind::Cell, &[content])?),
            Op::NewInstance { class } => Some(self.new_instance(class)),
            Op::Materialize { object } => Some(self.materialize(object)?),

            // -- iterators
            Op::ListIterNext { iter } => Some(self.sequence_next(iter, Sequence::List)),
            Op::TupleIterNext { iter } => Some(self.sequence_next(iter, Sequence::Tuple)),
            Op::RangeIterNext { iter } => Some(self.range_next(iter)),
            Op::GuardListIterDone { iter } => self.guard_iter_done(iter, Sequence::List),
            Op::GuardTupleIterDone { iter } => self.guard_iter_done(iter, Sequence::Tuple),
            Op::GuardRangeIterDone { iter } => self.guard_range_done(iter),

            // -- generators
            Op::GuardSuspended { generator, code, pc } => self.guard_suspended(generator, code, pc),
            Op::CheckUntracked {} => self.check_untracked(),
            Op::LoadGenerator { generator, index } => Some(self.load_generator(generator, index)),
            Op::StoreGenerator { generator, index, content } => self.store_generator(generator, index, content),
            Op::GeneratorGlobals { generator } => {
                Some(self.generator_field(generator, self.env.layout.map(|l| l.f_globals), HostFn::GeneratorGlobals))
            }
            Op::GeneratorBuiltins { generator } => {
                Some(self.generator_field(generator, self.env.layout.map(|l| l.f_builtins), HostFn::GeneratorBuiltins))
            }
            Op::ResumeGenerator { generator } => self.resume_generator(generator),
            Op::SuspendGenerator { generator, code, pc, stack, delegates } => {
                self.suspend_generator(generator, code, pc, stack, delegates)
            }
            Op::PushGenerator { generator, code, caller_pc } => self.push_generator(inst, generator, code, caller_pc),
            Op::PopGenerator {} => {
                self.call(HostFn::PopGenerator, &[]);
                self.frames.pop();
                None
            }
            Op::GuardCaller { code, pc } => self.guard_caller(code, pc),
            Op::UnlinkFirst { code } => Some(self.unlink_first(code)),
            Op::FinishGenerator { generator } => self.finish_generator(inst, generator)?,
            Op::NewGenerator { code, pc, function, ref locals } => {
                Some(self.new_generator(code, pc, function, locals)?)
            }

            // -- calls
            Op::CallHelper { helper, ref args } => self.call_helper(inst, helper, args)?,

            // -- instructions of tier 1
            Op::Execute { pc, moves } => self.execute(inst, pc, moves)?,
            Op::GuardLanded { code, pc, stack } => self.guard_landed(code, pc, stack),

            // -- terminators
            Op::EnterLoop { ref args } | Op::JumpLoop { ref args } => {
                if let Op::JumpLoop { .. } = inst.op {
                    self.count_round();
                }
                let args: Vec<BlockArg> = args.iter().map(|&v| BlockArg::Value(self.v(v))).collect();
                self.b.ins().jump(self.header, &args);
                None
            }
            Op::Exit { reason: _ } | Op::LeaveLanded {} => self.leave(None),
            Op::DynamicExit { pc: value } => self.leave(Some(self.v(value))),
            Op::Link { executor: _, ref args } => self.link(args)?,
        };
        if let Some(value) = result {
            self.def(inst, value);
        }
        if let Op::ListLen { .. } | Op::TupleLen { .. } | Op::ArrayLen { .. } = inst.op {
            self.lengths.extend(inst.result);
        }
        Ok(())
    }
}
