extension BackupStore {
    /// Opens a staging folder that an interrupted run left, keeping exactly the files that the run recorded as sealed.
    ///
    /// Everything else in it (parts, plain files that were never sealed) is removed, and every kept file is read again:
    /// one that is missing or has other bytes than recorded is an `integrity` error. A folder that is gone begins anew
    /// when nothing was sealed. Errors: `busy` when another process works on it.
    package func resumeStaging(_ id: BackupID, sealed: [StoredFile]) throws(BackupError) -> StagedBackup {
        let staging = try side(.staging)
        guard try staging.attributes(of: id.text) != nil else {
            guard sealed.isEmpty else {
                throw .integrity(id.text, [Finding(level: 1, path: "", what: "its staging folder is gone")])
            }
            return try beginStaging(id)
        }
        let directory = try staging.subdirectory(id.text)
        guard try directory.lock() else { throw .busy(id.text) }
        let staged = StagedBackup(id, store: self, staging: staging, directory: directory)
        var kept: Set<String> = []
        for file in sealed {
            guard let name = file.name else { throw .invalidName(file.path, expected: "path of a backup file") }
            let leaf = name.storedLeaf(file.encryption)
            let folder = try directory.subdirectory(name.folder.rawValue)
            guard try folder.attributes(of: leaf) != nil, try folder.digest(of: leaf) == file.stored else {
                throw .integrity(
                    id.text,
                    [Finding(level: 1, path: file.path, what: "is not the file that was recorded")]
                )
            }
            kept.insert("\(name.folder.rawValue)/\(leaf)")
            staged.adopt(file, as: name)
        }
        for name in BackupFileName.Folder.allCases where try directory.attributes(of: name.rawValue) != nil {
            let folder = try directory.subdirectory(name.rawValue)
            for leaf in try folder.names() where !kept.contains("\(name.rawValue)/\(leaf)") {
                try folder.removeFile(leaf)
            }
        }
        return staged
    }
}
