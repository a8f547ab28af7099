package import BackupStore
import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.snapshot`: saves a snapshot on a member, brings it to the controller, and verifies it before it counts.
///
/// The snapshot is made beside etcd's own data, private to root, and removed from the host in every outcome. It is
/// verified by reading it (trailer, every page, revision) on the controller, before it is encrypted.
/// Source: etcd "Disaster recovery"; `snapshot save` checks neither hash nor quorum, so both are done around it.
package struct SaveEtcdSnapshot: Step {
    package static let signature = KindSignature(
        kind: "etcd.snapshot",
        summary: "Snapshot of an etcd member, verified on the controller",
        parameters: [Parameter("except", .string, "a host that is left out: its member is about to be replaced")]
    )
    package static let stepClass = StepClass.idempotent
    /// It copies: nothing that runs on the host is another afterwards.
    package var traits: StepTraits { StepTraits(Self.stepClass, changesHost: false) }

    package let except: String?

    package init(except: String? = nil) { self.except = except }

    package struct Output: Codable, Sendable {
        package let member: String
        package let file: StoredFile
        package let facts: SnapshotFacts
        /// The member's revision just before it was asked; the snapshot is at least that new.
        package let revisionBefore: Int64
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        if target.name.text == except { return [] }
        return target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        if target.name.text == except { return .noop("its member is the one that is replaced") }
        let policy = facts.cluster.backup.snapshotFrom
        let own: EtcdStatus.Value
        if policy == .one {
            let health = await EtcdHealth.read(facts)
            guard let source = health.bestSource else {
                return .blocked(OperatorMessage(.refused, "no healthy etcd member to take the snapshot from"))
            }
            guard source == target.name else {
                return .noop("one snapshot is enough by policy; it is taken on \(source)")
            }
        }
        own = try await facts.read(EtcdStatus(pki: facts.cluster.paths.pki), on: target.name)
        if let problem = own.problem {
            return .blocked(OperatorMessage(.refused, "its etcd cannot be asked: \(problem)"))
        }
        if let error = own.errors.first {
            return .blocked(OperatorMessage(.refused, "its etcd is not healthy: \(error)"))
        }
        let way = own.via == "container" ? "crictl exec etcdctl" : "etcdctl"
        return .change([
            PlannedChange(
                "snapshot of member \(own.name), about \(byteCount(Int64(clamping: own.databaseBytes))), revision "
                    + "\(own.revision) or later",
                commands: ["\(way) snapshot save (temporary, 0600, removed afterwards)"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let host = context.target.name
        let staged = try await context.stagedBackup()
        let name = BackupFileName.snapshot(of: host)
        try staged.remove(name)
        do {
            let output = try await take(name, into: staged, context)
            await remove(context)
            return output
        } catch {
            await remove(context)
            try? staged.remove(name)
            throw error
        }
    }

    private func take(_ name: BackupFileName, into staged: StagedBackup, _ context: StepContext) async throws -> Output
    {
        context.progress("saving")
        let saved = try await save(context)
        context.progress("fetching \(byteCount(saved.digest.bytes))")
        let file = try staged.create(name)
        let sink = StagedFileSink(file: file)
        do {
            let fetched = try await context.connection.download(
                RemoteCommand("cat -- \"$1\"", [saved.path]),
                to: sink,
                limits: .transfer
            )
            guard fetched.succeeded else {
                throw OperatorMessage(.stepFailed, "cannot read the snapshot back: \(fetched.errorOutput.lastLine)")
            }
            _ = try file.finish(expecting: saved.digest)
        } catch {
            try? file.discard()
            throw sink.cause(of: error)
        }
        context.progress("verifying")
        let workspace = try context.service(BackupWorkspace.self)
        let facts = try staged.check(
            snapshot: name,
            with: workspace.checker,
            minimumRevision: saved.status.revision
        )
        let policy = context.target.cluster.backup
        let encryption = try await AgeEncryption.required(by: policy, tools: workspace.tools, time: context.time)
        if encryption != nil { context.progress("encrypting") }
        let sealed = try await staged.seal(name, with: encryption, time: context.time)
        return Output(member: saved.status.name, file: sealed, facts: facts, revisionBefore: saved.status.revision)
    }

    private struct Saved {
        let path: String
        let digest: FileDigest
        let status: EtcdStatus.Value
    }

    private func save(_ context: StepContext) async throws -> Saved {
        let pki = context.target.cluster.paths.pki
        let command = RemoteCommand(
            [EtcdAccess.functions, Self.saveScript],
            [pki, context.run.text, String(context.attempt)]
        )
        let outcome = try await context.guarded(command, deadline: .seconds(900))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init) ?? "code \(outcome.exitCode)"
            throw OperatorMessage(
                outcome.exitCode == Self.noSpace ? .storage : .stepFailed,
                "snapshot save failed: \(said)",
                state: "Nothing of it is left on the host"
            )
        }
        let status = try EtcdStatus(pki: pki).parse(ProbeBatch.Answer(exitCode: 0, output: outcome.output))
        var lines: [Substring: Substring] = [:]
        for line in outcome.text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { lines[parts[0]] = parts[1] }
        }
        guard status.problem == nil, let path = lines["file"], let bytes = lines["bytes"].flatMap({ Int64($0) }),
            let digest = FileDigest(bytes: bytes, sha256: String(lines["sha256"] ?? ""))
        else { throw OperatorMessage(.stepFailed, "the host's answer to snapshot save is incomplete") }
        return Saved(path: String(path), digest: digest, status: status)
    }

    /// Removes everything that any attempt of this run left on the host; over a new link when the old one was lost, which is
    /// often why it has to be removed at all.
    private func remove(_ context: StepContext) async {
        let command = RemoteCommand(Self.removeScript, [context.run.text, "\(context.run.short).\(context.step.text)"])
        let limits = CommandLimits(deadline: .seconds(90))
        do { _ = try await context.connection.run(command, limits: limits) } catch let error as TransportError {
            guard error.kind == .lost else { return }
            await context.reconnect()
            _ = try? await context.connection.run(command, limits: limits)
        } catch {}
    }

    /// `$1` run id, `$2` how the names of the step's operation records begin.
    ///
    /// An attempt whose controller died may still be saving: its end is awaited for up to a minute, or its file would
    /// appear after this.
    private static let removeScript: StaticString = """
        for d in /var/lib/rollbook-host/ops/"$2".*; do
            i=0
            while [ ! -e "$d/rc" ] && read -r pid ticks 2>/dev/null <"$d/run/pid" && [ -d "/proc/$pid" ]; do
                i=$((i + 1)); [ "$i" -lt 600 ] || continue 2; sleep 0.1
            done
            rm -rf -- "$d"
        done
        rm -f -- /var/lib/rollbook-host/snapshots/"$1".*
        """

    /// ENOSPC, used by the script for "not enough room".
    private static let noSpace = 28

    /// `$1` run id, `$2` attempt.
    ///
    /// Snapshots that a dead run left are swept after a day.
    ///
    /// In a container the file is made in the container's own root, never in etcd's file system, and reached from the host
    /// through /proc; a read-only root falls back to the data directory, and the file is moved off at once.
    private static let saveScript: StaticString = """
        dir=/var/lib/rollbook-host/snapshots; file=$dir/$1.$2.db
        mkdir -p "$dir" || exit 1
        find "$dir" -type f -mmin +1440 -exec rm -f {} + ; rm -f "$dir/$1".*
        s=$(E -w json endpoint status | tr -d '\\n')
        size=$(printf %s "$s" | sed -n 's/.*"dbSize":\\([0-9]*\\).*/\\1/p'); size=${size:-0}
        need=$((size / 1024 * 12 / 10 + 1024)); free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
        [ "$free" -gt "$need" ] || { echo "$dir has $free KiB free, the snapshot needs $need KiB" >&2; exit 28; }
        LIMIT=600s
        if [ "$via" = host ]; then E snapshot save "$file" >&2 || { rm -f "$file" "$file.part"; exit 1; }
        else
            inside=/rollbook-$1.$2.db
            if ! E snapshot save "$inside" >&2; then
                rm -f "/proc/$pid/root$inside" "/proc/$pid/root$inside.part"; inside=$data/.rollbook-$1.$2.db
                E snapshot save "$inside" >&2 || {
                    rm -f "/proc/$pid/root$inside" "/proc/$pid/root$inside.part"; exit 1; }
            fi
            mv -f "/proc/$pid/root$inside" "$file" || { rm -f "/proc/$pid/root$inside" "$file"; exit 1; }
        fi
        printf 'name %s\\nvia %s\\nstatus %s\\nfile %s\\nbytes %s\\nsha256 %s\\n' "$name" "$via" "$s" "$file" \\
            "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        await remove(context)
        return .notDone(detail: "a snapshot is simply taken again")
    }
}

extension CapturedBytes {
    /// The last line that says something; what tools put their reason on.
    var lastLine: String { text.split(separator: "\n").last.map(String.init) ?? "no message" }
}

/// `4.2 MiB`: three significant figures, for people.
package func byteCount(_ bytes: Int64) -> String {
    var value = bytes * 10
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 10240 || unit == "GiB" {
            return unit == "B" || value >= 1000 ? "\(value / 10) \(unit)" : "\(value / 10).\(value % 10) \(unit)"
        }
        value /= 1024
    }
    return "\(bytes) B"
}
