package import ClusterModel

/// Everything in one cluster's folder.
package struct Catalogue: Sendable, Hashable {
    /// Something in the folder that is not a set one can rely on; it was not touched.
    package struct Problem: Sendable, Hashable {
        package let name: String
        package let what: String
        /// It has the name of a set: retention refuses while it is there.
        package let isSet: Bool
    }

    /// Published sets with a readable manifest, newest first.
    package var sets: [BackupSummary]
    package var problems: [Problem]
    package var bad: [BackupID]
    package var quarantined: [BackupID]
    package var staging: [BackupID]
    package var trash: [BackupID]

    package var newestGood: BackupSummary? { sets.first(where: \.isGood) }
}

extension BackupStore {
    /// Reads the folder: manifests are parsed, files are not looked at.
    ///
    /// Unsafe modes or owners of a set become problems of it; those of the store itself are thrown.
    package func catalogue() throws(BackupError) -> Catalogue {
        var catalogue = Catalogue(sets: [], problems: [], bad: [], quarantined: [], staging: [], trash: [])
        let sides = Set(Side.allCases.map(\.rawValue))
        for name in try folder.names() where !sides.contains(name) {
            guard let id = BackupID(name) else {
                catalogue.problems.append(.init(name: name, what: "is not the name of a backup", isSet: false))
                continue
            }
            do throws(BackupError) {
                catalogue.sets.append(try summary(of: id))
            } catch .storage(let path, let doing, let number) {
                throw .storage(path: path, doing: doing, errno: number)
            } catch .integrity(_, let findings) {
                catalogue.problems.append(.init(name: name, what: findings.summary, isSet: true))
            } catch {
                catalogue.problems.append(.init(name: name, what: error.message.event, isSet: true))
            }
        }
        catalogue.sets.sort { $0.id > $1.id }
        catalogue.bad = try ids(in: .bad)
        catalogue.quarantined = try ids(in: .quarantine)
        catalogue.staging = try ids(in: .staging)
        catalogue.trash = try ids(in: .trash)
        return catalogue
    }

    /// One published set; throws `notFound`, or `integrity` when its manifest cannot be relied on.
    package func summary(of id: BackupID) throws(BackupError) -> BackupSummary {
        let directory = try published(id)
        let (manifest, digest) = try SetReader(directory, id: id, cluster: cluster).manifest()
        let log = try VerificationLog.read(directory)
        let level = log.checks.reduce(manifest.verification.level) { max($0, $1.level) }
        let pinned = try directory.attributes(of: Pin.fileName) != nil
        return BackupSummary(manifest, digest, level: min(level, 3), pinned: pinned)
    }

    /// The manifest of one published set and the SHA-256 of its bytes.
    package func manifest(of id: BackupID) throws(BackupError) -> (manifest: Manifest, sha256: String) {
        let (manifest, digest) = try SetReader(try published(id), id: id, cluster: cluster).manifest()
        return (manifest, digest.sha256)
    }

    func ids(in side: Side) throws(BackupError) -> [BackupID] {
        guard let directory = try folder.subdirectoryIfPresent(side.rawValue) else { return [] }
        return try directory.names().compactMap { BackupID($0) }.sorted()
    }
}

/// The answer of `backups status`, which is whether there is a good backup that is young enough.
package struct BackupStatus: Sendable, Hashable {
    package enum Verdict: String, Sendable, Hashable { case fresh, stale, none, clockInDoubt }

    package let verdict: Verdict
    package let newestGood: BackupSummary?
    package let age: Duration?

    /// Judges by the newest good set; one from more than five minutes in the future means that the clock is wrong.
    package init(_ catalogue: Catalogue, maxAge: Duration, now: UTCMoment) {
        newestGood = catalogue.newestGood
        age = newestGood?.age(at: now)
        guard let age else {
            verdict = .none
            return
        }
        verdict = age < .seconds(-300) ? .clockInDoubt : age > maxAge ? .stale : .fresh
    }

    /// 0 when fresh, 4 otherwise: monitoring must alarm, and nothing was changed.
    package var exitCode: ExitCode { verdict == .fresh ? .done : .refused }
}
