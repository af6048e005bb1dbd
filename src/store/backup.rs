//! The whole state out and in.

use std::{
    io::{Read, Write},
    path::Path,
};

use super::{Change, Store, StoreError, Tx, open::describe, snapshot};

/// What an export or import moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The revision of the state that was exported.
    pub revision: u64,
    /// How many records it has.
    pub records: usize,
}

/// What an import does with what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leaves it alone, and refuses to import.
    Keep,
    /// Replaces all of it.
    Replace,
}

impl Store {
    /// Writes the newest durable state to `writer`: one self-contained, checksummed file.
    /// Commits go on meanwhile. Blocks; the caller makes the file durable.
    ///
    /// # Errors
    /// What `writer` returned.
    pub fn export(&self, mut writer: impl Write) -> std::io::Result<Moved> {
        let state = self.state();
        snapshot::export(&state, &mut writer)?;
        Ok(Moved {
            revision: state.revision,
            records: state.len(),
        })
    }

    /// Puts what [`Store::export`] wrote in the place of the whole state, in one commit:
    /// all of it or nothing. Revisions go on from this store's own.
    ///
    /// # Errors
    /// [`StoreError::NotAnExport`] where the content is not whole, [`StoreError::Newer`]
    /// where a later version wrote it, [`StoreError::NotEmpty`] where there are records and
    /// `existing` keeps them.
    pub async fn import(
        &self,
        mut reader: impl Read + Send + 'static,
        existing: Existing,
    ) -> Result<Moved, StoreError> {
        let parse = move || {
            let mut bytes = Vec::new();
            let path = Path::new("the export");
            let state = match reader.read_to_end(&mut bytes) {
                Ok(_) => snapshot::parse(&bytes, path),
                Err(error) => Err(StoreError::io("read", path)(error)),
            };
            state.map_err(|error| match error {
                StoreError::Newer { .. } => error,
                other => StoreError::NotAnExport {
                    why: describe(&other),
                },
            })
        };
        let imported = tokio::task::spawn_blocking(parse).await.map_err(|error| {
            StoreError::NotAnExport {
                why: error.to_string(),
            }
        })??;
        let moved = Moved {
            revision: imported.revision,
            records: imported.len(),
        };
        self.commit(move |tx: &mut Tx| {
            if existing == Existing::Keep && !tx.is_empty() {
                return Err(StoreError::NotEmpty { records: tx.len() });
            }
            let surplus: Vec<_> = tx
                .records()
                .map(|record| record.key())
                .filter(|key| imported.record(*key).is_none())
                .collect();
            for key in surplus {
                tx.change(Change::Delete(key));
            }
            for record in imported.records() {
                tx.change(Change::Put(record));
            }
            Ok(())
        })
        .await?;
        Ok(moved)
    }
}
