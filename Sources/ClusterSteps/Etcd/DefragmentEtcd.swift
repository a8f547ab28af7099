import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.defragment`: rewrites a member's database file so that free pages go back to the file system.
///
/// The member answers nobody meanwhile, so followers come first (`role: followers`), one at a time, and the leader last
/// (`role: leader`), who hands leadership over before. Whoever leads when its turn comes does that, whatever the plan saw: a
/// leader that stops answering costs every write. Sources: etcd "Maintenance"; gardener etcd-backup-restore 1052; on its own
/// endpoint only, never `--cluster`, and with a limit of its own, for after etcdctl's 5 s the server goes on all the same.
package struct DefragmentEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.defragment",
        summary: "Give the free pages of a member's database back to the file system, where it pays",
        parameters: [
            Parameter("role", .choice(Role.allCases.map(\.rawValue)), required: true, "whose turn it is"),
            Parameter("gain", .integer, "least gain in MiB (100)"),
            Parameter("share", .integer, "least gain in percent of the file (20)"),
        ]
    )
    package static let stepClass = StepClass.guarded
    package var traits: StepTraits { StepTraits(Self.stepClass, takesHostAway: true) }

    package enum Role: String, Codable, Sendable, CaseIterable { case followers, leader }

    package let role: Role
    package let gain: Int?
    package let share: Int?

    package struct Output: Codable, Sendable {
        package let bytesBefore: UInt64
        package let bytesAfter: UInt64
        package let inUseAfter: UInt64
        /// Whether it led, and handed leadership over first.
        package let handedOver: Bool
    }

    /// How long etcd may take; 1 GiB takes some 10 to 30 s.
    private static let patience = Duration.seconds(300)

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let health = await EtcdHealth.read(facts)
        let own = try await facts.read(EtcdStatus(pki: facts.cluster.paths.pki), on: target.name)
        if let problem = own.problem ?? own.errors.first {
            return .blocked(OperatorMessage(.refused, "its etcd is not healthy: \(problem)"))
        }
        guard own.leader != 0 else { return .blocked(OperatorMessage(.refused, "its etcd knows no leader")) }
        let space = EtcdSpace(own, isExhausted: health.isOutOfSpace)
        let history = try? facts.view((any DatabaseHistory).self)
        let grown = history?.trend(of: target.name).map { "; \(DatabaseGrowth($0, now: space).text)" } ?? ""
        guard !own.isLearner else { return .noop("a learner is left to catch up: \(space.text)\(grown)") }
        guard own.isLeader == (role == .leader) else {
            return .noop(
                own.isLeader ? "it leads, so its turn is last: \(space.text)" : "a follower: its turn is before"
            )
        }
        let who = own.isLeader ? "the leader" : "a follower"
        guard pays(space) else { return .noop("\(who), and it would not pay: \(space.text)\(grown)") }
        let next = own.isLeader ? Self.successors(of: own).first : nil
        let name = next.flatMap { id in health.statuses.first { $0.status.memberID == id }?.host.text }
        return .change([
            PlannedChange(
                (name.map { "hand leadership to \($0), then defragment" } ?? "defragment \(who)")
                    + ": \(space.text); its etcd answers nobody meanwhile",
                diff: grown.isEmpty ? [] : ["  its database \(grown.dropFirst(2))"],
                commands: (next.map { ["etcdctl move-leader \(String($0, radix: 16))"] } ?? [])
                    + ["etcdctl defrag --command-timeout=\(Self.patience.components.seconds)s"]
            )
        ])
    }

    private func pays(_ space: EtcdSpace) -> Bool {
        space.pays(minimumGain: UInt64(max(0, gain ?? 100)) << 20, minimumPercent: max(0, share ?? 20))
    }

    /// Who may lead instead, in the order of the member list; a member that is down refuses to.
    private static func successors(of own: EtcdStatus.Value) -> [UInt64] {
        own.members.filter { !$0.isLearner && !$0.name.isEmpty && $0.id != own.memberID }.map(\.id)
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let own = try await context.facts.read(fact, on: context.target.name)
        let others = Self.successors(of: own).map { String($0, radix: 16) }.joined(separator: " ")
        let command = RemoteCommand(
            [EtcdAccess.functions, Self.script],
            [context.target.cluster.paths.pki, "\(Self.patience.components.seconds)s", others]
        )
        let outcome = try await context.guarded(command, deadline: Self.patience + .seconds(900))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, said ?? "the script ended with \(outcome.exitCode)")
        }
        var lines: [Substring: Substring] = [:]
        for line in outcome.text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard let name = parts.first else { continue }
            lines[name] = parts.count > 1 ? parts[1] : ""
        }
        guard let before = try lines["before"].flatMap({ try EndpointStatusJSON.list($0).first?.Status }),
            let after = try lines["after"].flatMap({ try EndpointStatusJSON.list($0).first?.Status })
        else { throw OperatorMessage(.stepFailed, "its etcd does not tell its size: \(outcome.text.prefix(200))") }
        return Output(
            bytesBefore: before.dbSize ?? 0,
            bytesAfter: after.dbSize ?? 0,
            inUseAfter: after.dbSizeInUse ?? 0,
            handedOver: lines["handed"] != nil
        )
    }

    /// `$1` time limit of defrag, `$2` members that may lead instead, in hex.
    ///
    /// When the limit passes etcd goes on by itself: it is not asked again, but waited for until it answers.
    private static let script: StaticString = """
        patience=$1; others=$2
        look() { s=$(E -w json endpoint status | tr -d '\\n'); }
        number() { printf '%s' "$s" | sed -n "s/.*\\"$1\\":\\([0-9]*\\).*/\\1/p"; }
        leads() { [ -n "$(number leader)" ] && [ "$(number leader)" = "$(number member_id)" ]; }
        look; [ -n "$(number dbSize)" ] || { echo 'its etcd does not answer' >&2; exit 1; }
        printf 'before %s\\n' "$s"
        if [ -d "$data" ] && [ "$(($(stat -f -c '%a * %S' "$data")))" -lt "$(number dbSize)" ]; then
            echo "less space is free at $data than the database has, which is written a second time" >&2; exit 1
        fi
        if leads && [ -n "$others" ]; then
            LIMIT=20s
            for m in $others; do E move-leader "$m" >/dev/null 2>&1 && break; done
            look; ! leads || { echo 'it leads, and nobody takes over' >&2; exit 1; }
            echo 'handed over'
        fi
        LIMIT=$patience
        if ! said=$(E defrag 2>&1); then
            case $said in
            *'deadline exceeded'* | *'timed out'*) ;;
            *) printf '%s\\n' "$said" | grep -v 'command terminated with exit code' | tail -n 1 >&2; exit 1 ;;
            esac
        fi
        LIMIT=5s; i=0
        until look; [ -n "$(number dbSize)" ]; do
            i=$((i + 1)); [ "$i" -lt 120 ] || { echo 'its etcd does not answer again' >&2; exit 1; }
            sleep 2
        done
        printf 'after %s\\n' "$s"
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let own = try await context.lookAgain().read(fact, on: context.target.name)
        guard own.answers else { return .cannotTell(detail: "its etcd does not answer: \(own.problem ?? "")") }
        let space = EtcdSpace(own)
        guard !pays(space) else { return .notDone(detail: "it would still pay: \(space.text)") }
        let output = Output(
            bytesBefore: space.bytes,
            bytesAfter: space.bytes,
            inUseAfter: space.inUse,
            handedOver: false
        )
        return .done(output: try JSONValue(encoding: output), detail: "there is nothing more to gain: \(space.text)")
    }
}
