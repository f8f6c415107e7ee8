//! What executors rely on, and CPython's watchers that say when it changes.
//!
//! Superblocks test most of what they assume; what an optimizer has moved out of a loop or folded into a constant is tested
//! no more, and this is where it is looked after. Who relies on a dictionary, type, function or code object is listed under its
//! address. A change is reported before it happens, by a callback that marks executors invalid, which runs no code.
//!
//! * **Dictionaries** report each change. Executors rely on the set of keys, or on the values of particular ones.
//! * **Types** report that they are changed, but 3.13 does not report that they are freed. The address may then become
//!   another type's, so each entry has the version that the type had: versions are not used twice, a new type at an old
//!   address is noticed when it is watched, and superblocks compare versions, never addresses of heap types.
//! * **Functions** report all changes of all functions. The watcher is installed when the first executor relies on a function.
//! * **Code objects** are reported by tier 1, which keeps its stream with them.
//!
//! CPython has eight watchers of each kind. If none is free, executors that rely on that kind are not made.

use crate::invalidate;
use crate::reliance::Unreliable;
use core::cell::UnsafeCell;
use core::ffi::c_int;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::InvalidationReason;
use hotspur_recorder::Dependencies;
use rustc_hash::FxHashMap as HashMap;

/// Numbers of executors.
type Ids = Vec<u64>;

#[derive(Default)]
struct Dict {
    /// Counts changes: what `guard_global_version` compares.
    version: u32,
    /// Those that rely on the set of keys.
    keys: Ids,
    /// Those that rely on the value of a key, by the (interned) key's address.
    values: HashMap<usize, Ids>,
}

#[derive(Default)]
struct Type {
    version: u32,
    ids: Ids,
}

#[derive(Default)]
struct Watched {
    /// Ids of our watchers: none if they were not asked for yet or none was free.
    dict_watcher: Option<c_int>,
    type_watcher: Option<c_int>,
    function_watcher: Option<c_int>,
    dicts: HashMap<usize, Dict>,
    types: HashMap<usize, Type>,
    functions: HashMap<usize, Ids>,
    codes: HashMap<usize, Ids>,
}

struct Global(UnsafeCell<Option<Watched>>);
// SAFETY: only touched with the GIL held; nothing that is called under way comes back here.
unsafe impl Sync for Global {}
static WATCHED: Global = Global(UnsafeCell::new(None));

fn with<T>(f: impl FnOnce(&mut Watched) -> T) -> T {
    // SAFETY: see above.
    f(unsafe { (*WATCHED.0.get()).get_or_insert_default() })
}

/// Asks for a watcher unless there is one. The pending exception, if there is one, stays.
///
/// It is the one with the highest number that is free: CPython numbers them from the lowest, reports them by number when they fail, and
/// there is code that counts on the first to be free.
unsafe fn watcher(
    known: Option<c_int>,
    ask: impl Fn() -> c_int,
    clear: impl Fn(c_int) -> c_int,
) -> Result<c_int, Unreliable> {
    if let Some(id) = known {
        return Ok(id);
    }
    // SAFETY: the GIL is held.
    unsafe {
        let mut highest = checked(&ask)?;
        let mut below = Vec::new();
        while let Ok(id) = checked(&ask) {
            below.push(core::mem::replace(&mut highest, id));
        }
        for id in below {
            checked(|| clear(id))?;
        }
        Ok(highest)
    }
}

/// Calls something that sets an exception when it answers with a negative number.
unsafe fn checked(call: impl FnOnce() -> c_int) -> Result<c_int, Unreliable> {
    // SAFETY: the GIL is held.
    unsafe {
        let pending = ffi::PyErr_GetRaisedException();
        let answer = call();
        if answer < 0 {
            ffi::PyErr_Clear();
        }
        if !pending.is_null() {
            ffi::PyErr_SetRaisedException(pending);
        }
        if answer < 0 { Err(Unreliable) } else { Ok(answer) }
    }
}

/// Begins to watch a dictionary.
unsafe fn watch_dict(dict: *mut PyObject) -> Result<(), Unreliable> {
    // SAFETY: the GIL is held and the dictionary live; nothing here runs Python code.
    unsafe {
        let id = watcher(with(|w| w.dict_watcher), || PyDict_AddWatcher(dict_changed), |id| PyDict_ClearWatcher(id))?;
        with(|w| w.dict_watcher = Some(id));
        checked(|| PyDict_Watch(id, dict))?;
    }
    with(|w| {
        w.dicts.entry(dict as usize).or_default();
    });
    Ok(())
}

/// Watches a dictionary, and answers the number of its changes so far plus one: what `guard_global_version` compares. None if it
/// cannot be watched.
///
/// # Safety
/// GIL held, `dict` an exact dictionary.
pub unsafe fn watched_dict_version(dict: *mut PyObject) -> Option<u32> {
    // SAFETY: as the caller promises.
    unsafe { watch_dict(dict).ok()? };
    Some(dict_version(dict))
}

/// As [`watched_dict_version`], for a dictionary that is watched already; zero if it is not.
pub(crate) fn dict_version(dict: *mut PyObject) -> u32 {
    with(|w| w.dicts.get(&(dict as usize)).map_or(0, |d| d.version.wrapping_add(1)))
}

/// Has an executor rely on all this.
///
/// # Errors
/// Something is not so any more, or cannot be watched. The executor is to be made invalid, which undoes the rest.
///
/// # Safety
/// GIL held, all objects live.
pub(crate) unsafe fn rely(id: u64, dependencies: &Dependencies) -> Result<(), Unreliable> {
    // SAFETY: as the caller promises.
    unsafe {
        for &(dict, version) in &dependencies.dicts {
            if !is_type(dict, &raw mut ffi::PyDict_Type)
                || (*(*dict.cast::<PyDictObject>()).ma_keys).dk_version != version
            {
                return Err(Unreliable);
            }
            watch_dict(dict)?;
            with(|w| w.dicts.entry(dict as usize).or_default().keys.push(id));
        }
        for &(dict, key) in &dependencies.values {
            watch_dict(dict)?;
            with(|w| w.dicts.entry(dict as usize).or_default().values.entry(key as usize).or_default().push(id));
        }
        for &(object, version) in &dependencies.types {
            rely_on_type(id, object, version)?;
        }
        for &function in &dependencies.functions {
            let watcher = watcher(
                with(|w| w.function_watcher),
                || PyFunction_AddWatcher(function_changed),
                |id| PyFunction_ClearWatcher(id),
            )?;
            with(|w| {
                w.function_watcher = Some(watcher);
                w.functions.entry(function as usize).or_default().push(id);
            });
        }
        for &code in &dependencies.codes {
            // What tier 1 keeps with the code is what reports its end.
            if hotspur_tier1::code::state_of(code).is_null() {
                return Err(Unreliable);
            }
            with(|w| w.codes.entry(code as usize).or_default().push(id));
        }
    }
    Ok(())
}

unsafe fn rely_on_type(id: u64, object: *mut PyObject, version: u32) -> Result<(), Unreliable> {
    // SAFETY: the GIL is held and the type live.
    unsafe {
        if (*object.cast::<PyTypeObject>()).tp_version_tag != version || version == 0 {
            return Err(Unreliable);
        }
        let watcher =
            watcher(with(|w| w.type_watcher), || PyType_AddWatcher(type_changed), |id| PyType_ClearWatcher(id))?;
        with(|w| w.type_watcher = Some(watcher));
        checked(|| PyType_Watch(watcher, object))?;
    }
    let gone = with(|w| {
        let entry = w.types.entry(object as usize).or_default();
        // Another type has been at this address, and was freed.
        let gone = if entry.version == version { Ids::new() } else { core::mem::take(&mut entry.ids) };
        entry.version = version;
        entry.ids.push(id);
        gone
    });
    invalidate::by_ids(&gone, InvalidationReason::TypeFreed);
    Ok(())
}

/// An executor relies on nothing any more.
pub(crate) fn rely_no_more(id: u64, dependencies: &Dependencies) {
    let remove = |ids: &mut Ids| ids.retain(|&i| i != id);
    with(|w| {
        // Entries of dictionaries stay: they have the version, and the dictionary is watched.
        for (dict, _) in &dependencies.dicts {
            if let Some(entry) = w.dicts.get_mut(&(*dict as usize)) {
                remove(&mut entry.keys);
            }
        }
        for (dict, key) in &dependencies.values {
            if let Some(entry) = w.dicts.get_mut(&(*dict as usize))
                && let Some(ids) = entry.values.get_mut(&(*key as usize))
            {
                remove(ids);
                if ids.is_empty() {
                    entry.values.remove(&(*key as usize));
                }
            }
        }
        for (t, _) in &dependencies.types {
            if let Some(entry) = w.types.get_mut(&(*t as usize)) {
                remove(&mut entry.ids);
                if entry.ids.is_empty() {
                    w.types.remove(&(*t as usize));
                }
            }
        }
        for (table, addresses) in [
            (&mut w.functions, dependencies.functions.iter().map(|&f| f as usize).collect::<Vec<_>>()),
            (&mut w.codes, dependencies.codes.iter().map(|&c| c as usize).collect()),
        ] {
            for address in addresses {
                if let Some(ids) = table.get_mut(&address) {
                    remove(ids);
                    if ids.is_empty() {
                        table.remove(&address);
                    }
                }
            }
        }
    });
}

/// Whether nobody else watches functions.
#[inline(always)]
pub(crate) unsafe fn is_only_watcher_of_functions() -> bool {
    // SAFETY: the GIL is held.
    unsafe { function_watchers() & !with(|w| w.function_watcher).map_or(0, |id| 1 << id) == 0 }
}

/// Whether executors rely on a function.
pub(crate) fn is_relied_on(function: *mut PyObject) -> bool {
    with(|w| w.functions.contains_key(&(function as usize)))
}

/// Executors that rely on a code object, which is going.
pub(crate) fn users_of_code(code: *mut PyCodeObject) -> Ids {
    with(|w| w.codes.remove(&(code as usize)).unwrap_or_default())
}

/// Notes that the value under a key that the dictionary has, an interned string, is about to be replaced. False, and nothing is noted, if that
/// would have to be reported to somebody: to another watcher, or an executor that relies on the value.
///
/// # Safety
/// GIL held, the dictionary is live.
pub(crate) unsafe fn note_replaced(dict: *mut PyObject, key: *mut PyObject) -> bool {
    // SAFETY: as the caller promises.
    let watchers = unsafe { dict_watchers(dict.cast()) };
    watchers == 0
        || with(|w| {
            if w.dict_watcher.is_none_or(|id| watchers != 1 << id) {
                return false;
            }
            let Some(entry) = w.dicts.get_mut(&(dict as usize)) else { return true };
            if entry.values.contains_key(&(key as usize)) {
                return false;
            }
            entry.version = entry.version.wrapping_add(1);
            true
        })
}

unsafe extern "C-unwind" fn dict_changed(
    event: DictEvent,
    dict: *mut PyObject,
    key: *mut PyObject,
    _: *mut PyObject,
) -> c_int {
    let users = with(|w| {
        let Some(entry) = w.dicts.get_mut(&(dict as usize)) else { return Ids::new() };
        entry.version = entry.version.wrapping_add(1);
        let mut users = Ids::new();
        if event != DICT_EVENT_MODIFIED {
            users.append(&mut entry.keys);
        }
        if key.is_null() {
            users.extend(entry.values.drain().flat_map(|(_, ids)| ids));
        } else if let Some(ids) = entry.values.remove(&(key as usize)) {
            users.extend(ids);
        } else if !entry.values.is_empty() && !is_interned(key) {
            // SAFETY: the keys that executors rely on are held by them.
            entry.values.retain(|&known, ids| {
                // SAFETY: the keys that executors rely on are held as long as they are listed.
                let same = unsafe { is_same_key(known as *mut PyObject, key) };
                if same {
                    users.append(ids);
                }
                !same
            });
        }
        if event == DICT_EVENT_DEALLOCATED {
            w.dicts.remove(&(dict as usize));
        }
        users
    });
    invalidate::by_ids(&users, InvalidationReason::DictModified);
    0
}

/// Whether no other interned string equals this key.
fn is_interned(key: *mut PyObject) -> bool {
    // SAFETY: the key is live, and if it is exactly a string it has the state of one.
    unsafe { is_type(key, &raw mut ffi::PyUnicode_Type) && unicode_is_interned(key) }
}

/// Whether a key that changes may be the one that is known.
unsafe fn is_same_key(known: *mut PyObject, key: *mut PyObject) -> bool {
    // SAFETY: both are live objects. Strings are compared without running code; what is no exact string may equal anything.
    unsafe { known == key || !is_type(key, &raw mut ffi::PyUnicode_Type) || _PyUnicode_Equal(known, key) != 0 }
}

unsafe extern "C-unwind" fn type_changed(t: *mut PyTypeObject) -> c_int {
    let users = with(|w| w.types.remove(&(t as usize)).map(|entry| entry.ids).unwrap_or_default());
    invalidate::by_ids(&users, InvalidationReason::TypeModified);
    0
}

unsafe extern "C-unwind" fn function_changed(
    event: FunctionEvent,
    function: *mut PyFunctionObject,
    _: *mut PyObject,
) -> c_int {
    if event != FUNCTION_EVENT_CREATE {
        let users = with(|w| w.functions.remove(&(function as usize)).unwrap_or_default());
        if event == FUNCTION_EVENT_DESTROY && !users.is_empty() {
            // SAFETY: the GIL is held, and the function has its code still.
            unsafe { hotspur_recorder::note_function_died((*function).func_code) };
        }
        invalidate::by_ids(&users, InvalidationReason::FunctionModified);
    }
    0
}
