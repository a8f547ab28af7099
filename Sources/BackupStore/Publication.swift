import ClusterModel

/// A set that is on stable storage under its final name.
package struct PublishedBackup: Sendable, Hashable {
    package let id: BackupID
    package let path: String
    /// SHA-256 of `manifest.json`; the journal keeps it.
    package let manifestSHA256: String
    package let manifest: Manifest
    /// Bytes of all stored files.
    package let bytes: Int64
}

extension StagedBackup {
    /// Publishes the set: when this returns, set and name are on stable storage; when it throws, nobody sees the set.
    ///
    /// The manifest must name exactly the files that were sealed. Errors: `unpublishable` when it does not or when the
    /// policy requires encryption and a file is plain; `alreadyExists`; `storage`.
    package func publish(_ manifest: Manifest) throws(BackupError) -> PublishedBackup {
        try requirePublishable(manifest)
        // An interrupted publication has left its manifest beside the folders; it is written anew below.
        for folder in BackupFileName.Folder.allCases {
            try directory.subdirectoryIfPresent(folder.rawValue)?.sync()
        }
        try store.hook(.foldersSynced)
        let bytes: [UInt8]
        do {
            bytes = try CanonicalJSON.bytes(of: manifest)
        } catch {
            throw .unpublishable(id.text, why: "its manifest cannot be written as JSON")
        }
        let digest = FileDigest(of: bytes)
        try directory.writeFile(Manifest.fileName, bytes)
        try store.hook(.manifestWritten)
        let sums = Checksums.text(manifest: digest, files: manifest.files)
        try directory.writeFile(Checksums.fileName, Array(sums.utf8))
        try store.hook(.sumsWritten)
        return try finishPublication(manifest, digest)
    }

    /// The last steps, from complete and written files to a durable name; also what recovery repeats.
    func finishPublication(_ manifest: Manifest, _ digest: FileDigest) throws(BackupError) -> PublishedBackup {
        try directory.sync()
        try store.hook(.stagingSynced)
        try staging.moveDirectory(id.text, to: store.folder)
        try store.hook(.published)
        try store.folder.sync()
        try staging.sync()
        try store.hook(.parentsSynced)
        return PublishedBackup(manifest, digest, in: store.folder)
    }

    private func requirePublishable(_ manifest: Manifest) throws(BackupError) {
        func refuse(_ why: String) -> BackupError { .unpublishable(id.text, why: why) }
        guard manifest.id == id, manifest.cluster == store.cluster, manifest.format == Manifest.currentFormat else {
            throw refuse("its manifest is of another set, cluster or format")
        }
        guard let sealed = sealedFiles, !sealed.isEmpty else { throw refuse("a file is not sealed, or there is none") }
        guard sealed == manifest.files else { throw refuse("its manifest does not name exactly the sealed files") }
        let encrypted = sealed.filter { $0.encryption == .age }
        guard manifest.policy.encryption != .required || encrypted.count == sealed.count else {
            throw refuse("the policy requires encryption and a file is plain")
        }
        guard encrypted.isEmpty == manifest.recipients.isEmpty else {
            throw refuse("its recipients do not match its encrypted files")
        }
        guard (manifest.result.kind == .complete) == manifest.result.reasons.isEmpty else {
            throw refuse("a result other than complete needs reasons, and complete has none")
        }
    }
}

extension PublishedBackup {
    init(_ manifest: Manifest, _ digest: FileDigest, in folder: Directory) {
        self.init(
            id: manifest.id,
            path: folder.path(of: manifest.id.text),
            manifestSHA256: digest.sha256,
            manifest: manifest,
            bytes: manifest.files.reduce(0) { $0 + $1.stored.bytes }
        )
    }
}

/// What became of a backup whose run ended before it could say so.
package enum Recovery: Sendable, Hashable {
    /// It had been published; only the record is missing.
    case adopted(PublishedBackup)
    /// It was complete in staging and is published now.
    case finished(PublishedBackup)
    /// It was not complete; its staging stays for `cleanStaging`.
    case incomplete
    case absent
}

extension BackupStore {
    /// Finishes what a crash between the last file and the journal record left (fault B09).
    ///
    /// Every file is verified (level 1) before a set is adopted. Errors: `busy` when a live process still holds it,
    /// `integrity` when a published set does not verify.
    package func recover(_ id: BackupID) throws(BackupError) -> Recovery {
        if let published = try folder.subdirectoryIfPresent(id.text) {
            let reader = SetReader(published, id: id, cluster: cluster)
            let (manifest, digest) = try reader.requireIntact(level: 1)
            let staging = try side(.staging)
            try folder.sync()
            try staging.sync()
            return .adopted(PublishedBackup(manifest, digest, in: folder))
        }
        let staging = try side(.staging)
        guard let directory = try staging.subdirectoryIfPresent(id.text) else { return .absent }
        guard try directory.lock() else { throw .busy(id.text) }
        let contents: (Manifest, FileDigest)
        do throws(BackupError) {
            contents = try SetReader(directory, id: id, cluster: cluster).requireIntact(level: 1)
        } catch .integrity {
            return .incomplete
        }
        let staged = StagedBackup(id, store: self, staging: staging, directory: directory)
        return .finished(try staged.finishPublication(contents.0, contents.1))
    }
}
