package import BackupStore
import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.restore-data`: puts a member's data directory, made from a backup on the controller, into its place on the host.
///
/// All members get the same snapshot, the same list of members and the same new token (the run's), each its own name. The
/// database's SHA-256 is compared on the host; the folder takes its name only when it is complete.
package struct RestoreEtcdData: Step {
    package static let signature = KindSignature(
        kind: "etcd.restore-data",
        summary: "Put a member's data from a backup into its place",
        parameters: [
            Parameter("backup", .string, required: true, "the backup's id"),
            Parameter("identity", .string, "age identity file on the controller, for an encrypted backup"),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package let backup: String
    package let identity: String?

    /// An input that was not given is an empty text.
    private var key: String? { identity.flatMap { $0.isEmpty ? nil : $0 } }

    package struct Output: Codable, Sendable {
        /// Of `member/snap/db`.
        package let database: FileDigest
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdInstallation(paths: target.cluster.paths), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let manifest = try facts.view((any RestoreOutlook).self).backup(backup).manifest
        let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: target.name)
        guard found.form != .none, !found.dataDirectory.isEmpty, let best = manifest.bestSnapshot else {
            return .blocked(OperatorMessage(.refused, "it is not known where its etcd keeps its data"))
        }
        let need = best.file.plain.bytes * 2 + 128 << 20
        guard found.freeBytes > need else {
            return .blocked(
                OperatorMessage(
                    .storage,
                    "\(found.dataDirectory) has \(byteCount(found.freeBytes)) free, the restore needs \(byteCount(need))",
                    next: "make room there"
                )
            )
        }
        let all = try await Self.initialCluster(facts)
        return .change([
            PlannedChange(
                "put the restored data of \(found.name) into \(found.dataDirectory)"
                    + (found.walDirectory.isEmpty ? "" : ", its log into \(found.walDirectory)")
                    + ", from revision \(best.facts.revision)",
                commands: [
                    "etcdutl snapshot restore (on the controller) --name \(found.name) --initial-cluster \(all) "
                        + "--initial-cluster-token RUN --bump-revision \(BackupStore.revisionBump) --mark-compacted",
                    "tar --extract into \(found.dataDirectory), then mv",
                ]
                    + (found.walDirectory.isEmpty
                        ? [] : ["tar --extract of member/wal into \(found.walDirectory).restore-RUN, then mv"])
            )
        ])
    }

    /// All etcd hosts of the inventory, by the names and peer URLs that they are set up with.
    private static func initialCluster(_ facts: any FactReader) async throws -> String {
        var all: [(host: HostName, name: String, peer: String)] = []
        for host in facts.cluster.etcdHosts {
            let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: host.name)
            guard !found.name.isEmpty, !found.peerURL.isEmpty else {
                throw OperatorMessage(
                    .refused,
                    at: host.name.text,
                    "it is not known by what name and peer URL it is a member"
                )
            }
            if let other = all.first(where: { $0.name == found.name || $0.peer == found.peerURL }) {
                throw OperatorMessage(
                    .refused,
                    at: host.name.text,
                    "it is set up as \(found.name) at \(found.peerURL), and \(other.host) as \(other.name) at \(other.peer): "
                        + "one cluster cannot have both",
                    next: "compare --name and --initial-advertise-peer-urls of both"
                )
            }
            all.append((host.name, found.name, found.peerURL))
        }
        return all.map { "\($0.name)=\($0.peer)" }.joined(separator: ",")
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let own = try await context.facts.read(
            EtcdInstallation(paths: context.target.cluster.paths),
            on: context.target.name
        )
        let source = try context.service((any RestoreSource).self)
        context.progress("making its data")
        let packed = try await source.memberData(
            of: try BackupID.input(backup),
            as: RestoredMember(
                name: own.name,
                peerURL: own.peerURL,
                initialCluster: try await Self.initialCluster(context.facts),
                token: "rollbook-\(context.run)"
            ),
            identity: key,
            context.time
        )
        defer { try? packed.discard() }
        context.progress("sending \(byteCount(packed.packed.bytes))")
        try await send(packed, context)
        context.progress("unpacking")
        _ = try await EtcdScript.run(
            Self.unpackScript,
            with: [context.run.text, packed.packed.sha256, packed.database.sha256],
            in: context,
            deadline: .seconds(900)
        )
        // Taken up again it has sent the archive a second time, for an operation that had ended.
        _ = try await context.connection.run(RemoteCommand(Self.forgetScript, [context.run.text]))
        return Output(database: packed.database)
    }

    /// `$1` is the run.
    static let forgetScript: StaticString = "rm -f -- /var/lib/rollbook-host/restore/\"$1\".*"

    /// Sends the archive to a folder of this program on the host; what is there already stays when it is the same.
    private func send(_ packed: PackedMember, _ context: StepContext) async throws {
        let result = try await context.connection.run(
            RemoteCommand(Self.receiveScript, [context.run.text, packed.packed.sha256]),
            input: .stream(PackedSource(reader: try packed.reader())),
            limits: .transfer
        )
        guard result.succeeded else {
            throw OperatorMessage(.storage, "the data could not be stored on the host: \(result.errorOutput.lastLine)")
        }
    }

    /// `$1` run, `$2` SHA-256.
    static let receiveScript: StaticString = """
        d=/var/lib/rollbook-host/restore; umask 077; mkdir -p "$d" || exit 1
        find "$d" -type f -mmin +1440 -exec rm -f {} +
        part=$d/$1.$2.part
        cat >"$part" && sync "$part" || { rm -f "$part"; exit 1; }
        if [ "$(sha256sum "$part" | cut -d' ' -f1)" != "$2" ]; then
            rm -f "$part"; echo 'it did not arrive as it was sent' >&2; exit 1
        fi
        mv -T "$part" "$d/$1.$2.tar.gz"
        """

    /// `$1` run, `$2` SHA-256 of the archive, `$3` of the database in it.
    ///
    /// The mark beside the database says whose restored data it is: only that may be replaced or taken away again. A log in a
    /// directory of its own has one, too, under a name that etcd passes over in silence (`checkWalNames`), and is placed first.
    static let unpackScript: StaticString = """
        archive=/var/lib/rollbook-host/restore/$1.$2.tar.gz; part=$data/.restore-$1; umask 077
        ! running || { echo 'etcd still runs' >&2; exit 1; }
        if [ ! -e "$data/member" ]; then
            [ "$(sha256sum "$archive" | cut -d' ' -f1)" = "$2" ] || { echo "$archive is not what was sent" >&2; exit 1; }
            rm -rf -- "$part"; mkdir -p -m 0700 "$part" || exit 1
            tar --extract --file="$archive" --gzip --directory="$part" --no-same-owner || exit 1
            [ "$(sha256sum "$part/member/snap/db" | cut -d' ' -f1)" = "$3" ] \\
                || { echo 'the database is not what was sent' >&2; exit 1; }
            if [ -n "$wal" ]; then
                new=$wal.restore-$1
                if [ ! -e "$wal/rollbook-restored-$1.tmp" ]; then
                    rm -rf -- "$new"; mkdir -p -m 0700 "$new" || exit 1
                    tar --extract --file="$archive" --gzip --directory="$new" --no-same-owner --strip-components=2 member/wal || exit 1
                    : >"$new/rollbook-restored-$1.tmp"; chmod -R go= "$new"
                    chown -R --reference="$data" "$new" && sync -f "$new" || exit 1
                    if [ -d "$wal" ] && ! rmdir -- "$wal"; then
                        echo "$wal is not empty; it was to be set aside first" >&2; exit 1
                    fi
                    mv -T -- "$new" "$wal" && sync -f "$wal/.." || exit 1
                fi
                rm -rf -- "$part/member/wal" "$new"
            fi
            : >"$part/member/.rollbook-restored-$1"; chmod -R go= "$part"
            chown -R --reference="$data" "$part/member" || exit 1
            sync -f "$part"; mv -T -- "$part/member" "$data/member" || exit 1
        elif [ ! -e "$data/member/.rollbook-restored-$1" ]; then
            echo "$data/member is there; it was to be set aside first" >&2; exit 1
        fi
        rm -rf -- "$part"; rm -f -- "$archive"
        ! command -v restorecon >/dev/null || restorecon -R "$data" ${wal:+"$wal"} 2>/dev/null
        sync -f "$data"
        """

    private struct PackedSource: ByteSource {
        let reader: PackedMember.Reader
        func read(upTo limit: Int) throws -> [UInt8] { try reader.read(upTo: limit) }
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "putting the data there again changes nothing when it is there")
    }

    /// Stops etcd first: one that was started and never knew a leader is stopped by no undo of its own.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        _ = try await EtcdScript.run(ParkEtcd.script, in: context, part: "park", deadline: .seconds(180))
        _ = try await EtcdScript.run(
            Self.undoScript,
            with: [context.run.text],
            in: context,
            part: "undo",
            deadline: .seconds(120)
        )
    }

    /// Takes away only what the run `$1` put there.
    static let undoScript: StaticString = """
        ! running || { echo 'etcd runs on the restored data' >&2; exit 1; }
        rm -f -- /var/lib/rollbook-host/restore/"$1".*
        rm -rf -- "$data/.restore-$1"
        if [ -e "$data/member/.rollbook-restored-$1" ]; then
            mv -T -- "$data/member" "$data/.restore-$1" && rm -rf -- "$data/.restore-$1" || exit 1
        fi
        if [ -n "$wal" ]; then
            rm -rf -- "$wal.restore-$1"
            if [ -e "$wal/rollbook-restored-$1.tmp" ]; then
                mv -T -- "$wal" "$wal.restore-$1" && rm -rf -- "$wal.restore-$1" || exit 1
            fi
        fi
        [ ! -d "$data" ] || sync -f "$data"
        """
}
