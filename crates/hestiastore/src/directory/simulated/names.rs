//! The names of a simulated directory: what they lead to now, which of them are durable, and every
//! change between the two.
//!
//! Invariants: applying `pending` to `durable` gives `current`, unless a failed sync has forgotten
//! what was pending; a file has at most one name in
//! `current`; a name `folder/file` stands only beside its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inode::{Content, Inode};
use crate::directory::entries;
use crate::directory::image::Image;

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Put { name: String, node: Node },
    Rename { from: String, to: String },
    Remove { name: String },
}

/// What a crash does to a pending change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Survives,
    Lost,
    /// A rename leaves both names; any other change survives.
    Both,
    /// A rename leaves neither name; any other change survives.
    Neither,
}

pub(super) type Node = entries::Node<Arc<Inode>>;
pub(super) type Entries = entries::Entries<Arc<Inode>>;

#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) current: Entries,
    pub(super) durable: Entries,
    pub(super) pending: Vec<(u64, NameChange)>,
    pub(super) next_inode: u64,
}

impl Names {
    pub(super) fn next_inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.next_inode
    }

    pub(super) fn change(&mut self, stamp: u64, change: NameChange) {
        change.apply(&mut self.current);
        self.pending.push((stamp, change));
    }

    pub(super) fn sync(&mut self) {
        for (_, change) in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Forgets what is pending: it never becomes durable, unless it is done again.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
    }

    /// The durable names and what `fate` leaves of each pending change.
    pub(super) fn after(&self, mut fate: impl FnMut(u64, &NameChange) -> Fate) -> Entries {
        let mut entries = self.durable.clone();
        for (stamp, change) in &self.pending {
            match (fate(*stamp, change), change) {
                (Fate::Lost, _) => {}
                (Fate::Both, NameChange::Rename { from, to }) => {
                    if let Some(node) = entries.get(from).cloned() {
                        entries.insert(to.clone(), node);
                    }
                }
                (Fate::Neither, NameChange::Rename { from, .. }) => {
                    entries.remove(from);
                }
                _ => change.apply(&mut entries),
            }
        }
        entries
    }

    /// Every file that a name leads to, has led to since the last sync, or led to then; by id.
    pub(super) fn reachable(&self) -> BTreeMap<u64, Arc<Inode>> {
        let pending = self.pending.iter().filter_map(|(_, change)| match change {
            NameChange::Put { node, .. } => Some(node),
            NameChange::Rename { .. } | NameChange::Remove { .. } => None,
        });
        let nodes = self.current.values().chain(self.durable.values()).chain(pending);
        nodes
            .filter_map(|node| match node {
                Node::File(inode) => Some((inode.id, Arc::clone(inode))),
                Node::Folder => None,
            })
            .collect()
    }

    /// The same names for other files, given by id. All files are [`Names::reachable`].
    pub(super) fn with_files(&self, files: &BTreeMap<u64, Arc<Inode>>) -> Self {
        let pending = self.pending.iter().map(|(stamp, change)| {
            let change = match change {
                NameChange::Put { name, node } => {
                    NameChange::Put { name: name.clone(), node: node_with_files(node, files) }
                }
                other => other.clone(),
            };
            (*stamp, change)
        });
        Self {
            current: with_files(&self.current, files),
            durable: with_files(&self.durable, files),
            pending: pending.collect(),
            next_inode: self.next_inode,
        }
    }
}

/// The same names for files that hold these images, given by id, with other ids. A file that had
/// two names is two files then.
pub(super) fn with_images(entries: &Entries, images: &BTreeMap<u64, Image>) -> Entries {
    let numbered = entries.iter().zip(1..);
    numbered
        .map(|((name, node), id)| {
            let node = match node {
                Node::File(inode) => {
                    let image = images.get(&inode.id).cloned().unwrap_or_default();
                    Node::File(Inode::new(id, Content::of(image)))
                }
                Node::Folder => Node::Folder,
            };
            (name.clone(), node)
        })
        .collect()
}

fn with_files(entries: &Entries, files: &BTreeMap<u64, Arc<Inode>>) -> Entries {
    entries.iter().map(|(name, node)| (name.clone(), node_with_files(node, files))).collect()
}

fn node_with_files(node: &Node, files: &BTreeMap<u64, Arc<Inode>>) -> Node {
    match node {
        Node::File(inode) => Node::File(Arc::clone(files.get(&inode.id).unwrap_or(inode))),
        Node::Folder => Node::Folder,
    }
}

impl NameChange {
    fn apply(&self, entries: &mut Entries) {
        match self {
            NameChange::Put { name, node } => {
                entries.insert(name.clone(), node.clone());
            }
            NameChange::Rename { from, to } => {
                if let Some(node) = entries.remove(from) {
                    entries.insert(to.clone(), node);
                }
            }
            NameChange::Remove { name } => {
                entries.remove(name);
            }
        }
    }

    fn names(&self) -> [&str; 2] {
        match self {
            NameChange::Put { name, .. } | NameChange::Remove { name } => [name, name],
            NameChange::Rename { from, to } => [from, to],
        }
    }
}

/// The names that a crash has taken a change of: whatever came after it there is lost as well.
#[derive(Debug, Default)]
pub(super) struct LostNames(BTreeSet<String>);

impl LostNames {
    /// Whether `change` rests on a change that is lost.
    pub(super) fn concerns(&self, change: &NameChange) -> bool {
        change.names().into_iter().any(|name| {
            let folder = name.split_once('/').map(|(folder, _)| folder);
            self.0.contains(name) || folder.is_some_and(|folder| self.0.contains(folder))
        })
    }

    pub(super) fn add(&mut self, change: &NameChange) {
        self.0.extend(change.names().map(str::to_owned));
    }
}
