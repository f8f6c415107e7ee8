//! Helpers.

use super::functions::new_function;
use super::{Obj, containers, conventions, cooked, lists, quiet, raw};
use crate::params::Parameter;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_interp::Register;
use hotspur_ir::Helper;
use hotspur_tier1::calling::call_any;
use hotspur_tier1::context::context_of;
use hotspur_tier1::polymorphic;
use smallvec::SmallVec;

/// Calls a helper. The arguments are as its table has them. Machine code calls a copy for each helper, in which what is said here of
/// the others is gone, and the registers are those of the machine.
#[inline(always)]
pub(crate) unsafe fn call(helper: Helper, args: &[Register<Obj>]) -> Register<Obj> {
    let object = |i: usize| if let Register::Obj(object) = args[i] { raw(object) } else { core::ptr::null_mut() };
    let number = |i: usize| if let Register::I64(n) = args[i] { n } else { 0 };
    let double = |i: usize| if let Register::F64(x) = args[i] { x } else { 0.0 };
    let new = |object: *mut PyObject| Register::Obj(cooked(object));
    let status = |status: core::ffi::c_int| Register::I64(status.into());
    match helper {
        Helper::BinaryOp | Helper::QuietBinary => {
            // Indexed by BINARY_OP's argument, for which the recorder vouches; there is no operator without a function.
            let operator = _PyEval_BinaryOps[number(2) as usize].unwrap_unchecked();
            new(operator(object(0), object(1)))
        }
        Helper::UnaryNegative => new(ffi::PyNumber_Negative(object(0))),
        Helper::CompareOp | Helper::QuietCompare => {
            new(ffi::PyObject_RichCompare(object(0), object(1), number(2) as core::ffi::c_int))
        }
        Helper::ContainsOp => status(ffi::PySequence_Contains(object(0), object(1))),
        Helper::IsTrue => status(ffi::PyObject_IsTrue(object(0))),
        Helper::QuietTruth => status(quiet::truth(object(0))),
        Helper::Length => Register::I64(ffi::PyObject_Size(object(0)) as i64),
        Helper::GetItem => new(ffi::PyObject_GetItem(object(0), object(1))),
        Helper::SetItem => status(ffi::PyObject_SetItem(object(0), object(1), object(2))),
        Helper::GetAttr => new(ffi::PyObject_GetAttr(object(0), object(1))),
        Helper::SetAttr => status(ffi::PyObject_SetAttr(object(0), object(1), object(2))),
        Helper::GetIter => new(ffi::PyObject_GetIter(object(0))),
        Helper::Next => new(containers::any_next(object(0))),
        Helper::QuietIter => new(super::sequence_iters::iterator(object(0))),
        Helper::Call | Helper::QuietCall => {
            let first = usize::from(object(1).is_null());
            let operands: SmallVec<[*mut PyObject; 8]> = (1..args.len()).map(object).collect();
            let ts = ffi::PyThreadState_Get().cast();
            new(conventions::call(ts, object(0), operands.as_ptr().add(first), operands.len() - first))
        }
        Helper::CallKw => {
            let operands: SmallVec<[*mut PyObject; 8]> = (2..args.len()).map(object).collect();
            new(call_named(object(0), object(1), operands.as_ptr(), operands.len()))
        }
        Helper::CallAny => {
            let mut operands: SmallVec<[*mut PyObject; 8]> = (1..args.len()).map(object).collect();
            let cx = context_of(ffi::PyThreadState_Get().cast());
            new(call_any(cx, object(0), operands.as_mut_ptr(), operands.len()))
        }
        Helper::Enter => {
            let manager = object(1);
            new(conventions::call(ffi::PyThreadState_Get().cast(), object(0), &raw const manager, 1))
        }
        Helper::HasRoom => Register::I64(has_room().into()),
        Helper::ListAppend => {
            let failed = ffi::PyList_Append(object(0), object(1));
            decref(object(1));
            status(failed)
        }
        Helper::StrConcat => new(ffi::PyUnicode_Concat(object(0), object(1))),
        Helper::StrEq => Register::I64(unicode_equal(object(0), object(1)).into()),
        Helper::IntAdd => new(_PyLong_Add(object(0).cast(), object(1).cast())),
        Helper::Slice => new(quiet::slice(object(0), object(1), object(2))),
        Helper::Lookup => new(quiet::lookup(object(0), object(1))),
        Helper::LookupOr => new(quiet::lookup_or(object(0), object(1), object(2))),
        Helper::Member => Register::I64(quiet::member(object(0), object(1))),
        Helper::StrHash => Register::I64(unicode_hash(object(0)) as i64),
        Helper::MemberHashed => Register::I64(quiet::member_hashed(object(0), object(1), number(2))),
        Helper::LookupHashed => new(quiet::lookup_hashed(object(0), object(1), number(2))),
        Helper::Storable => Register::I64(quiet::storable(object(0), object(1))),
        Helper::DictStore => new(quiet::dict_store(object(0), object(1), object(2))),
        Helper::NameStore => new(containers::name_store(object(0), object(1), object(2))),
        Helper::DictDelete => new(containers::dict_delete(object(0), object(1))),
        Helper::BuildMap => {
            let items: SmallVec<[*mut PyObject; 8]> = (2..args.len()).map(object).collect();
            new(containers::build_map(&items))
        }
        Helper::DictFill => Register::I64(containers::dict_fill(object(0), object(1))),
        Helper::KeysAre => {
            let names: SmallVec<[*mut PyObject; 8]> = (2..args.len()).map(object).collect();
            Register::I64(containers::keys_are(object(0), &names).into())
        }
        Helper::KeyedItem => new(containers::keyed_item(object(0), object(1), number(2) as usize)),
        Helper::SetAdd => Register::I64(containers::set_add(object(0), object(1))),
        Helper::SetDiscard => Register::I64(containers::set_discard(object(0), object(1))),
        Helper::SliceItem => new(containers::slice_item(object(0), object(1))),
        Helper::Search => Register::I64(containers::search(object(0), object(1), number(2) == 1)),
        Helper::ListRemove => new(containers::list_remove(object(0), object(1))),
        Helper::SliceStep => new(containers::slice_step(object(0), [object(1), object(2), object(3)])),
        Helper::DequeAppend => Register::I64(containers::deque_append(object(0), object(1), object(2))),
        Helper::Identity => Register::I64(if hears_audit() { 0 } else { object(0).addr() as i64 }),
        Helper::ListConcat => new(lists::concat(object(0), object(1))),
        Helper::ExchangeSlice => Register::I64(lists::exchange_slice(object(0), object(1), object(2), object(3))),
        Helper::StoreSlice => Register::I64(containers::store_slice(object(0), object(1), object(2), object(3))),
        Helper::TupleOfList => new(containers::tuple_of_list(object(0))),
        Helper::ListExtend => status(list_extend(object(0), object(1))),
        Helper::QuietNext => new(containers::next(object(0))),
        Helper::IterDone => Register::I64(iterator_is_done(object(0)).into()),
        Helper::EnumerateIter => new((*object(0).cast::<EnumObject>()).en_sit),
        Helper::EnumerateNumber => Register::I64(enumerate_number(object(0).cast()) as i64),
        Helper::EnumerateKeep => {
            enumerate_keep(object(0).cast(), object(1));
            status(0)
        }
        Helper::BoundSelf => new(containers::bound_self(object(0), object(1))),
        Helper::BindBuiltin => new(containers::bind_builtin(object(0), object(1))),
        Helper::IterFinish => new(quiet::finish(object(0))),
        Helper::InstanceDict => new(quiet::instance_dict(object(0), object(1), number(2) as usize)),
        Helper::OwnDict => new(ffi::PyObject_GenericGetDict(object(0), core::ptr::null_mut())),
        Helper::AnyAttribute => new(polymorphic::attribute(object(0), object(1))),
        Helper::StoreAny => new(polymorphic::store(object(0), object(1), object(2))),
        Helper::HasAttribute => Register::I64(polymorphic::has_attribute(object(0), object(1)).map_or(-1, i64::from)),
        Helper::AnyInstance => Register::I64(polymorphic::is_instance(object(0), object(1)).map_or(-1, i64::from)),
        Helper::InstanceLacks => Register::I64(polymorphic::instance_lacks(object(0), object(1)).into()),
        Helper::QuietFormat => new(ffi::PyObject_Format(object(0), object(1))),
        Helper::QuietConvert => new(match number(1) {
            1 => ffi::PyObject_Str(object(0)),
            2 => ffi::PyObject_Repr(object(0)),
            _ => ffi::PyObject_ASCII(object(0)),
        }),
        Helper::JoinStrings => {
            let items: SmallVec<[*mut PyObject; 8]> = (1..args.len()).map(object).collect();
            new(join(items.as_ptr(), items.len()))
        }
        Helper::NewFunction => new(new_function(object(0), object(1))),
        Helper::SetFunctionAttribute => {
            let function = object(0).cast::<PyFunctionObject>();
            match number(2) {
                1 => (*function).func_defaults = object(1),
                2 => (*function).func_kwdefaults = object(1),
                4 => (*function).func_annotations = object(1),
                _ => (*function).func_closure = object(1),
            }
            status(0)
        }
        Helper::FloatPow => Register::F64(double(0).powf(double(1))),
    }
}

/// Whether C calls are nested so little that more of them, where CPython would not make any, cannot be noticed.
unsafe fn has_room() -> bool {
    nested_c_calls(ffi::PyThreadState_Get().cast()) < Parameter::InnerCalls.get() as i32
}

unsafe fn list_extend(list: *mut PyObject, items: *mut PyObject) -> core::ffi::c_int {
    let none = _PyList_Extend(list.cast(), items);
    if none.is_null() { -1 } else { 0 }
}

/// Calls with so many arguments, the first of which may be null and is none then, and the last of which have these names.
pub(crate) unsafe fn call_named(
    callable: *mut PyObject,
    names: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
) -> *mut PyObject {
    let first = usize::from((*args).is_null());
    ffi::PyObject_Vectorcall(callable, args.add(first), count - first - size(names) as usize, names)
}

/// What an instruction that has called something does then: it serves what asks the thread for attention (signals, for one). The result, which may
/// be null, or null if that raises.
#[inline(always)]
pub(crate) unsafe fn called(ts: *mut ThreadState, result: *mut PyObject) -> *mut PyObject {
    if (*ts).eval_breaker & EVAL_EVENTS_MASK != 0 && !result.is_null() {
        return serve(ts, result);
    }
    result
}

#[cold]
#[inline(never)]
unsafe fn serve(ts: *mut ThreadState, result: *mut PyObject) -> *mut PyObject {
    if _Py_HandlePending(ts) != 0 {
        decref(result);
        return core::ptr::null_mut();
    }
    result
}

unsafe fn join(strings: *const *mut PyObject, count: usize) -> *mut PyObject {
    _PyUnicode_JoinArray(hotspur_tier1::context::known().empty_string, strings, count as isize)
}

/// The same for [`Helper::Call`], [`Helper::QuietCall`], [`Helper::JoinStrings`] and [`Helper::BuildMap`], whose arguments behind the first lie in memory.
#[inline(always)]
pub(crate) unsafe fn call_many(
    helper: Helper,
    ts: *mut ThreadState,
    callable: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
) -> *mut PyObject {
    if helper == Helper::JoinStrings {
        return join(args, count);
    }
    if helper == Helper::BuildMap {
        return containers::build_map(core::slice::from_raw_parts(args.add(1), count - 1));
    }
    let first = usize::from((*args).is_null());
    conventions::call(ts, callable, args.add(first), count - first)
}

/// The same for [`Helper::KeysAre`].
#[inline(always)]
pub(crate) unsafe fn keys_are(dict: *mut PyObject, names: &[*mut PyObject]) -> bool {
    containers::keys_are(dict, names)
}
