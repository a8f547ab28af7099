package import ClusterModel

/// How a set is to be verified.
package struct VerificationRequest: Sendable {
    /// 0 to 3 (Format.md §5).
    package var level: Int
    /// Path of an age identity (private key) file, for levels 2 and 3 of encrypted sets.
    package var identity: String?
    package var checker: any SnapshotChecking
    package var tools: ToolPath
    /// A new id: names the scratch folder under `.staging`, which is removed afterwards.
    package var scratch: BackupID
    /// Limit for each program that is run, and for the start of etcd.
    package var deadline: Duration
    package var time: any TimeSource

    package init(
        level: Int,
        identity: String? = nil,
        checker: any SnapshotChecking,
        tools: ToolPath = .standard,
        scratch: BackupID,
        deadline: Duration = .seconds(600),
        time: any TimeSource
    ) {
        self.level = level
        self.identity = identity
        self.checker = checker
        self.tools = tools
        self.scratch = scratch
        self.deadline = deadline
        self.time = time
    }
}

/// What a verification found.
package struct VerificationReport: Sendable, Hashable {
    package let id: BackupID
    /// The level that was proved; nil when not even level 0 holds.
    package let reached: Int?
    package let findings: [Finding]
    /// Why a level was not tried, or what was done beyond it.
    package let notes: [String]
    package let restore: RestoreFacts?

    /// The error for exit code 9, or nil when there are no findings.
    package var error: BackupError? { findings.isEmpty ? nil : .integrity(id.text, findings) }
}

extension BackupStore {
    /// Verifies a published set and changes nothing in it; findings are returned, the caller decides on `markBad`.
    ///
    /// Errors are what is not the set's fault: `storage`, `unsafePath`, `toolMissing`, `deadline`, `notFound`.
    package func verify(_ id: BackupID, _ request: VerificationRequest) async throws(BackupError) -> VerificationReport
    {
        let directory = try published(id)
        let reader = SetReader(directory, id: id, cluster: cluster)
        func report(
            _ reached: Int?,
            _ findings: [Finding] = [],
            _ notes: [String] = [],
            _ restore: RestoreFacts? = nil
        ) -> VerificationReport {
            VerificationReport(id: id, reached: reached, findings: findings, notes: notes, restore: restore)
        }
        let contents: (manifest: Manifest, digest: FileDigest)
        do throws(BackupError) {
            contents = try reader.manifest()
        } catch .integrity(_, let findings) {
            return report(nil, findings)
        }
        let manifest = contents.manifest
        let low = try reader.findings(manifest, contents.digest, level: min(request.level, 1))
        guard low.isEmpty else { return report(low.contains { $0.level == 0 } ? nil : 0, low) }
        guard request.level >= 2 else { return report(request.level) }
        if request.identity == nil, manifest.files.contains(where: { $0.encryption == .age }) {
            return report(1, [], ["the set is encrypted and no key was given: levels 2 and 3 were not tried"])
        }
        let scratch = try beginStaging(request.scratch)
        do throws(BackupError) {
            let content = ContentVerification(set: directory, scratch: scratch.directory, request: request)
            let findings = try await content.findings(manifest)
            guard findings.isEmpty else {
                try scratch.discard()
                return report(1, findings)
            }
            guard request.level >= 3, let best = manifest.bestSnapshot else {
                try scratch.discard()
                return report(2, [], request.level >= 3 ? ["the set has no snapshot: there is nothing to restore"] : [])
            }
            let path = try await content.plainPath(of: best.file)
            let test = RestoreTest(tools: request.tools, deadline: request.deadline, time: request.time)
            let outcome = try await test.run(
                snapshot: path,
                expecting: best.facts,
                version: manifest.etcd.version,
                in: scratch.directory
            )
            try scratch.discard()
            let findings3 = outcome.findings.map { Finding(level: 3, path: best.file.path, what: $0) }
            return report(findings3.isEmpty ? 3 : 2, findings3, [], outcome.facts)
        } catch {
            try? scratch.discard()
            throw error
        }
    }

    /// Refuses a set of another cluster than the one it is to be used for (fault K06).
    ///
    /// Cluster id, CA fingerprint and the UID of `kube-system` are compared as far as both sides know them.
    package func requireIdentity(
        _ manifest: Manifest,
        target: ClusterID,
        _ identity: ClusterIdentity
    ) throws(BackupError) {
        func refuse(_ why: String) -> BackupError {
            .wrongCluster(backup: manifest.id.text, of: manifest.cluster.text, target: target.text, why: why)
        }
        guard manifest.cluster == target else { throw refuse("by its cluster id") }
        if let theirs = manifest.identity.caFingerprint, let ours = identity.caFingerprint, theirs != ours {
            throw refuse("its CA has SHA-256 \(theirs.prefix(16))…, the target's \(ours.prefix(16))…")
        }
        if let theirs = manifest.identity.kubeSystemUID, let ours = identity.kubeSystemUID, theirs != ours {
            throw refuse("its kube-system has UID \(theirs), the target's \(ours)")
        }
    }
}
