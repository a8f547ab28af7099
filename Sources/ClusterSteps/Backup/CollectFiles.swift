package import BackupStore
import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `files.collect`: an archive of a host's configuration, checked on the host by the programs it belongs to.
///
/// A tar stream with numeric owners, ACLs and extended attributes, hashed on its way to the controller. A broken
/// configuration is archived all the same, with the checker's verdict beside it: it is what the host has.
package struct CollectFiles: Step {
    package static let signature = KindSignature(
        kind: "files.collect",
        summary: "Archive of a host's configuration files",
        parameters: [
            Parameter(
                "set",
                .choice(CollectableFiles.Kind.allCases.map(\.rawValue)),
                required: true,
                "which sort of host it is"
            )
        ]
    )
    package static let stepClass = StepClass.idempotent
    /// It copies: nothing that runs on the host is another afterwards.
    package var traits: StepTraits { StepTraits(Self.stepClass, changesHost: false) }

    package let set: CollectableFiles.Kind

    package init(set: CollectableFiles.Kind) { self.set = set }

    package struct Output: Codable, Sendable {
        package let archive: StoredArchive
        /// What should be there and is not.
        package let missing: [String]
        package let remarks: [String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        guard set != .etcd || target.host?.role != .master else { return [] }
        return [FactRequest(CollectableFiles(kind: set, paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        if set == .etcd, target.host?.role == .master {
            return .noop("taken with the control plane's files")
        }
        let found = try await facts.read(CollectableFiles(kind: set, paths: facts.cluster.paths), on: target.name)
        guard !found.paths.isEmpty else {
            return .blocked(OperatorMessage(.refused, "nothing of what a \(set.rawValue) host should have is there"))
        }
        let missing = found.missing.isEmpty ? "" : "; missing: \(found.missing.joined(separator: " "))"
        return .change([
            PlannedChange(
                "archive \(found.files) files, \(byteCount(found.bytes))\(missing)",
                diff: found.paths.map { "  \($0)" },
                commands: ["tar -cf - (read only)"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let staged = try await context.stagedBackup()
        let name = BackupFileName.archive(of: context.target.name)
        try staged.remove(name)
        let paths = context.target.cluster.paths
        let connection = try await context.connection
        let fact = CollectableFiles(kind: set, paths: paths)
        let listed = try await connection.run(fact.command)
        let found = try fact.parse(ProbeBatch.Answer(exitCode: listed.exitCode, output: listed.output.bytes))
        context.progress("archiving \(found.files) files")
        let file = try staged.create(name)
        let sink = StagedFileSink(file: file)
        let result: CommandResult
        do {
            result = try await connection.download(
                RemoteCommand(Self.archiveScript, [paths.kubernetes] + found.paths),
                to: sink,
                limits: .transfer
            )
            // 1: a file changed while it was read; the archive is whole and says what was read.
            guard result.exitCode <= 1 else {
                throw OperatorMessage(.stepFailed, "tar failed: \(result.errorOutput.lastLine)")
            }
            _ = try file.finish()
        } catch {
            try? file.discard()
            throw sink.cause(of: error)
        }
        let entries = try staged.entries(of: name)
        let checks = set == .loadBalancer ? try await self.checks(connection, paths) : []
        let workspace = try context.service(BackupWorkspace.self)
        let policy = context.target.cluster.backup
        let encryption = try await AgeEncryption.required(by: policy, tools: workspace.tools, time: context.time)
        let sealed = try await staged.seal(name, with: encryption, time: context.time)
        return Output(
            archive: StoredArchive(
                host: context.target.name,
                kind: archiveKind,
                file: sealed,
                entries: entries,
                checks: checks
            ),
            missing: found.missing,
            remarks: remarks(result, checks)
        )
    }

    private var archiveKind: StoredArchive.Kind {
        switch set {
        case .controlPlane: .master
        case .etcd: .etcd
        case .loadBalancer: .loadBalancer
        }
    }

    private func remarks(_ result: CommandResult, _ checks: [SourceCheck]) -> [String] {
        let changed =
            result.exitCode == 1 ? ["a file changed while it was archived: \(result.errorOutput.lastLine)"] : []
        return changed
            + checks.filter { $0.verdict == .failed }.map { "\($0.command) finds the configuration invalid" }
    }

    /// `$1` the Kubernetes folder, then the paths.
    ///
    /// The options beyond POSIX are used where this tar has them.
    private static let archiveScript: StaticString = """
        kube=${1#/}; shift; set -- "$@" --; n=$#
        while [ "$n" -gt 1 ]; do p=$1; shift; set -- "$@" "./${p#/}"; n=$((n - 1)); done; shift
        opts=--numeric-owner; help=$(tar --help 2>/dev/null)
        for o in --acls --xattrs --selinux; do case $help in *" $o"*) opts="$opts $o" ;; esac; done
        cd / && tar $opts --exclude="./$kube/tmp" -cf - "$@"
        """

    private func checks(_ connection: any HostConnection, _ paths: ClusterPaths) async throws -> [SourceCheck] {
        let answer = try await connection.run(
            RemoteCommand(Self.checkScript, [paths.haproxy, paths.keepalived, paths.nginx])
        )
        var checks: [SourceCheck] = []
        for section in answer.output.text.split(separator: "\u{1}", omittingEmptySubsequences: false).dropFirst() {
            let lines = section.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            let words = lines[0].split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count == 3, let code = Int(words[1]) else { continue }
            let text = lines.count > 1 ? String(lines[1].prefix(4000)) : ""
            checks.append(
                SourceCheck(program: words[0], command: words[2], verdict: code == 0 ? .ok : .failed, output: text)
            )
        }
        return checks
    }

    /// Each program judges the files it was started with.
    ///
    /// Output: `\1program code command`, then what it said.
    private static let checkScript: StaticString = """
        check() { program=$1; shift; command -v "$1" >/dev/null 2>&1 || return 0
            said=$("$@" 2>&1 </dev/null); printf '\\001%s %d %s\\n%s\\n' "$program" "$?" "$*" "$said"; }
        files=; for d in /proc/[0-9]*; do
            if read -r c 2>/dev/null <"$d/comm" && [ "$c" = haproxy ]; then
                files=$(tr '\\0' '\\n' <"$d/cmdline" | sed -n '/^-f$/{n;p;}'); [ -n "$files" ] && break; fi
        done
        [ -n "$files" ] || { [ -e "$1" ] && files=$1; }
        if [ -n "$files" ]; then k=$2; g=$3; set --; for f in $files; do set -- "$@" -f "$f"; done
            check haproxy haproxy -c "$@"; set -- - "$k" "$g"; fi
        [ -e "$2" ] && check keepalived keepalived -t -f "$2"
        [ -e "$3" ] && check nginx nginx -t -c "$3"
        exit 0
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "an archive is simply made again")
    }
}
