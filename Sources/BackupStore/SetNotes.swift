package import ClusterModel

/// The latest successful verification of each level after publication (Format.md §4).
struct VerificationLog: Sendable, Hashable, Codable {
    static let fileName = "verified.json"

    struct Check: Sendable, Hashable, Codable {
        var level: Int
        var at: UTCMoment
        var run: RunID?
    }

    var format = 1
    var checks: [Check] = []

    /// The log of a set; an absent, damaged or later one counts as empty.
    static func read(_ directory: Directory) throws(BackupError) -> VerificationLog {
        do throws(BackupError) {
            let bytes = try directory.contents(of: fileName, limit: 1 << 16)
            let log = try? CanonicalJSON.value(VerificationLog.self, from: bytes)
            return log.map { $0.format == 1 ? $0 : VerificationLog() } ?? VerificationLog()
        } catch .notFound {
            return VerificationLog()
        } catch .integrity {
            return VerificationLog()
        }
    }

    mutating func note(_ check: Check) {
        checks.removeAll { $0.level == check.level }
        checks.append(check)
        checks.sort { $0.level < $1.level }
    }
}

/// The file that keeps a set from retention.
enum Pin { static let fileName = ".keep" }

/// Why a set was set aside (Format.md §4).
struct Reason: Sendable, Hashable, Codable {
    static let fileName = "reason.json"

    var format = 1
    var at: UTCMoment
    var reason: String
    var findings: [Finding]
}

extension Directory {
    /// Replaces a small JSON file durably.
    func writeNote(_ name: String, _ value: some Encodable) throws(BackupError) {
        let bytes: [UInt8]
        do {
            bytes = try CanonicalJSON.bytes(of: value)
        } catch {
            throw .unpublishable(path(of: name), why: "cannot be written as JSON")
        }
        try writeFile(name, bytes)
        try sync()
    }
}

extension BackupStore {
    /// Notes that a published set passed a verification of `level`.
    package func noteVerified(_ id: BackupID, level: Int, at: UTCMoment, run: RunID? = nil) throws(BackupError) {
        let directory = try published(id)
        var log = try VerificationLog.read(directory)
        log.note(VerificationLog.Check(level: level, at: at, run: run))
        try directory.writeNote(VerificationLog.fileName, log)
    }

    /// Keeps a set from retention; `reason` is for people.
    package func pin(_ id: BackupID, reason: String) throws(BackupError) {
        let directory = try published(id)
        try directory.writeFile(Pin.fileName, Array((reason + "\n").utf8))
        try directory.sync()
    }

    /// Gives a pinned set back to retention.
    package func unpin(_ id: BackupID) throws(BackupError) {
        let directory = try published(id)
        try directory.removeFile(Pin.fileName)
        try directory.sync()
    }

    /// Moves a published set that no longer verifies out of the catalogue, to `bad/` (fault B12).
    package func markBad(_ id: BackupID, reason: String, findings: [Finding], at: UTCMoment) throws(BackupError) {
        let bad = try side(.bad)
        try folder.moveDirectory(id.text, to: bad)
        try hook(.movedToBad)
        try bad.sync()
        try folder.sync()
        let note = Reason(at: at, reason: reason, findings: findings)
        try bad.subdirectory(id.text).writeNote(Reason.fileName, note)
        try hook(.badReasonWritten)
    }

    /// The directory of a published set; throws `notFound`.
    func published(_ id: BackupID) throws(BackupError) -> Directory {
        do throws(BackupError) {
            return try folder.subdirectory(id.text)
        } catch .notFound {
            throw .notFound(id.text)
        }
    }
}

extension StagedBackup {
    /// Keeps what failed verification for a person to look at, outside of everything that counts (fault K03).
    ///
    /// With `encryption`, plain files are encrypted first, and removed where that fails: what must not lie here as plain
    /// text does not lie in quarantine either.
    package func quarantine(
        reason: String,
        findings: [Finding],
        at: UTCMoment,
        encryption: AgeEncryption?,
        time: any TimeSource
    ) async throws(BackupError) {
        if let encryption {
            for folderName in try directory.names() where BackupFileName.Folder(rawValue: folderName) != nil {
                let folder = try directory.subdirectory(folderName)
                for leaf in try folder.names() where !leaf.hasSuffix(".age") {
                    if let name = BackupFileName("\(folderName)/\(leaf)"),
                        (try? await seal(name, with: encryption, time: time)) != nil
                    {
                        continue
                    }
                    try folder.removeFile(leaf)
                }
            }
        }
        try directory.writeNote(Reason.fileName, Reason(at: at, reason: reason, findings: findings))
        let quarantine = try store.side(.quarantine)
        try staging.moveDirectory(id.text, to: quarantine)
        try quarantine.sync()
        try staging.sync()
    }
}
