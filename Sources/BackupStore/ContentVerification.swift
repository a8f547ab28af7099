import ClusterModel
import SystemPackage

/// Level 2: what the files hold, decrypted into a scratch folder where they are encrypted.
struct ContentVerification {
    let set: Directory
    let scratch: Directory
    let request: VerificationRequest

    /// What is wrong with the contents; at most one decrypted file exists at a time.
    func findings(_ manifest: Manifest) async throws(BackupError) -> [Finding] {
        var findings: [Finding] = []
        for snapshot in manifest.snapshots {
            try await check(snapshot.file, &findings) { path throws(BackupError) in
                do throws(SnapshotFault) {
                    let facts = try request.checker.check(path: path)
                    return facts.agree(with: snapshot.facts)
                        ? nil : "its revision, keys or hash are not those of the manifest"
                } catch {
                    return error.description
                }
            }
        }
        for archive in manifest.archives {
            try await check(archive.file, &findings) { _ throws(BackupError) in
                guard let place = try location(of: archive.file) else { return "has no valid name" }
                do throws(BackupError) {
                    let entries = try TarListing.entries(of: place.leaf, in: place.folder)
                    return entries == archive.entries ? nil : "its entries are not those of the manifest"
                } catch .integrity(_, let inner) {
                    return inner.map(\.what).joined(separator: "; ")
                }
            }
        }
        return findings
    }

    /// The path of a file's plain text, decrypting it into the scratch folder when needed.
    func plainPath(of file: StoredFile) async throws(BackupError) -> String {
        if let problem = try await decrypt(file) {
            throw .integrity(set.path, [Finding(level: 2, path: file.path, what: problem)])
        }
        guard let place = try location(of: file) else { throw .invalidName(file.path, expected: "file of a backup") }
        return place.folder.path(of: place.leaf)
    }

    private func check(
        _ file: StoredFile,
        _ findings: inout [Finding],
        _ body: (String) throws(BackupError) -> String?
    ) async throws(BackupError) {
        var problem = try await decrypt(file)
        if problem == nil, let place = try location(of: file) { problem = try body(place.folder.path(of: place.leaf)) }
        if let problem { findings.append(Finding(level: 2, path: file.path, what: problem)) }
        if file.encryption == .age, let name = file.name { try scratch.removeTree(name.folder.rawValue) }
    }

    /// Where the plain text lies (now, or after `decrypt`).
    private func location(of file: StoredFile) throws(BackupError) -> (folder: Directory, leaf: String)? {
        guard let name = file.name else { return nil }
        let base = file.encryption == .age ? scratch : set
        return (try base.subdirectory(name.folder.rawValue), name.leaf)
    }

    /// Decrypts an encrypted file into the scratch folder; returns what is wrong with it, or nil.
    private func decrypt(_ file: StoredFile) async throws(BackupError) -> String? {
        guard file.encryption == .age else { return nil }
        guard let name = file.name, let identity = request.identity else { return "cannot be decrypted without a key" }
        guard let age = request.tools.find("age") else {
            throw .toolMissing("the program age is not installed", next: "apt-get install age")
        }
        try Directory.requirePrivateKey(at: identity)
        let folder = try scratch.makeSubdirectory(name.folder.rawValue, exclusive: false)
        if try folder.attributes(of: name.leaf) != nil { return nil }
        let source = try set.subdirectory(name.folder.rawValue).openFile(name.storedLeaf(.age))
        defer { try? source.close() }
        let target = try folder.createFile(name.leaf)
        defer { try? target.close() }
        let child = ChildProcess(program: age, arguments: ["-d", "-i", identity], deadline: request.deadline)
        let result = try await child.run(from: source, to: target, time: request.time)
        guard result.exitCode == 0 else {
            if result.errors.contains("no identity matched") {
                throw .toolFailed("age", why: "the key \(identity) opens none of the recipients of \(file.path)")
            }
            return "does not decrypt: \(result.complaint)"
        }
        return try folder.digest(of: name.leaf) == file.plain ? nil : "its decrypted content is not what was encrypted"
    }
}
