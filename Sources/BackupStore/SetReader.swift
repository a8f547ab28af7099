import ClusterModel
import SystemPackage

/// Reads one set's directory, whichever folder it lies in, and verifies levels 0 and 1.
struct SetReader {
    /// What may lie beside the files the manifest names (Format.md §1 and §4).
    static let companions: Set<String> = [
        Manifest.fileName, Checksums.fileName, VerificationLog.fileName, Pin.fileName, "manifest.json.sig",
        VerificationLog.fileName + ".part", Pin.fileName + ".part",
    ]

    let directory: Directory
    let id: BackupID
    let cluster: ClusterID

    init(_ directory: Directory, id: BackupID, cluster: ClusterID) {
        self.directory = directory
        self.id = id
        self.cluster = cluster
    }

    /// The manifest and the digest of its bytes; throws `integrity` or `newerFormat` when it cannot be relied on.
    func manifest() throws(BackupError) -> (Manifest, FileDigest) {
        let bytes: [UInt8]
        do throws(BackupError) {
            bytes = try directory.contents(of: Manifest.fileName, limit: Manifest.sizeLimit)
        } catch .notFound {
            throw fault("has no manifest.json")
        }
        do {
            let format = try CanonicalJSON.value(FormatMark.self, from: bytes).format
            guard format == Manifest.currentFormat else { throw BackupError.newerFormat(id.text, format: format) }
            let manifest = try CanonicalJSON.value(Manifest.self, from: bytes)
            if let problem = problem(of: manifest) { throw fault("manifest.json \(problem)") }
            return (manifest, FileDigest(of: bytes))
        } catch let error as BackupError {
            throw error
        } catch {
            throw fault("manifest.json \(CanonicalJSON.explanation(of: error))")
        }
    }

    /// The manifest of a set without findings up to `level` (0 or 1); throws `integrity` with the findings otherwise.
    func requireIntact(level: Int) throws(BackupError) -> (Manifest, FileDigest) {
        let (manifest, digest) = try manifest()
        let findings = try findings(manifest, digest, level: level)
        guard findings.isEmpty else { throw .integrity(id.text, findings) }
        return (manifest, digest)
    }

    /// What is wrong at level 0, and at level 1 when asked; unsafe owners and modes are thrown, not found.
    func findings(_ manifest: Manifest, _ digest: FileDigest, level: Int) throws(BackupError) -> [Finding] {
        var findings: [Finding] = []
        func found(_ level: Int, _ path: String, _ what: String) {
            findings.append(Finding(level: level, path: path, what: what))
        }
        let sums = Checksums.text(manifest: digest, files: manifest.files)
        do throws(BackupError) {
            let written = try directory.contents(of: Checksums.fileName, limit: Manifest.sizeLimit)
            if written != Array(sums.utf8) { found(0, Checksums.fileName, "does not match manifest.json") }
        } catch .notFound {
            found(0, Checksums.fileName, "is missing")
        }
        for path in try unexpectedPaths(manifest) { found(0, path, "is not part of this set") }
        for file in manifest.files {
            guard let name = file.name else { continue }
            guard let (actual, sha256) = try measure(file, name, hashing: level >= 1) else {
                found(0, file.path, "is missing")
                continue
            }
            if actual != file.stored.bytes {
                found(0, file.path, "has \(actual) bytes, want \(file.stored.bytes)")
            } else if let sha256, sha256 != file.stored.sha256 {
                found(1, file.path, "its SHA-256 is \(sha256), want \(file.stored.sha256)")
            }
        }
        return findings
    }

    private func measure(
        _ file: StoredFile,
        _ name: BackupFileName,
        hashing: Bool
    ) throws(BackupError) -> (
        Int64, String?
    )? {
        do throws(BackupError) {
            let folder = try directory.subdirectory(name.folder.rawValue)
            let leaf = name.storedLeaf(file.encryption)
            if hashing {
                let digest = try folder.digest(of: leaf)
                return (digest.bytes, digest.sha256)
            }
            let opened = try folder.openFile(leaf)
            defer { try? opened.close() }
            return (try folder.attributes(of: opened, leaf).bytes, nil)
        } catch .notFound {
            return nil
        }
    }

    private func unexpectedPaths(_ manifest: Manifest) throws(BackupError) -> [String] {
        let expected = Set(manifest.files.map(\.path))
        var unexpected: [String] = []
        for entry in try directory.names() where !Self.companions.contains(entry) {
            guard BackupFileName.Folder(rawValue: entry) != nil else {
                unexpected.append(entry)
                continue
            }
            for leaf in try directory.subdirectory(entry).names() where !expected.contains("\(entry)/\(leaf)") {
                unexpected.append("\(entry)/\(leaf)")
            }
        }
        return unexpected
    }

    private func problem(of manifest: Manifest) -> String? {
        if manifest.id != id { return "is of set \(manifest.id)" }
        if manifest.cluster != cluster { return "is of cluster \(manifest.cluster)" }
        let paths = manifest.files.map(\.path)
        if Set(paths).count != paths.count { return "names a file twice" }
        for file in manifest.files where file.name == nil { return "names a file that no set has: \(file.path)" }
        if !(0...3).contains(manifest.verification.level) { return "has a verification level that does not exist" }
        return nil
    }

    private func fault(_ what: String) -> BackupError {
        .integrity(id.text, [Finding(level: 0, path: "", what: what)])
    }

    private struct FormatMark: Decodable { var format: Int }
}
