import ClusterModel
import RemoteShell
import RunEngine
import Synchronization
import TestSupport

@testable import ClusterSteps

/// The etcd of all hosts of a world: one member list, and per host a manifest, data and a process.
///
/// It answers the scripts of etcd's facts and steps, each known by what only it contains. What must never happen is an incident:
/// it stays, and is part of the end state.
final class SimulatedEtcd: Sendable {
    struct Member: Hashable {
        let id: UInt64
        var name: String
        let peer: String
        var isLearner: Bool
    }

    /// One host's etcd.
    struct Site: Hashable {
        let name: String
        let address: String
        /// Whose data is in the data directory; nil when it is empty.
        var data: UInt64?
        /// The old data kept aside, by run.
        var aside: [String: UInt64] = [:]
        var isParked = false
        /// What the manifest says of the cluster; nil for what `kubeadm init` wrote.
        var initialCluster: String?
        var isRunning = true
        /// Its host is lost.
        var isLost = false
        /// The run whose restored data it has.
        var restoredBy: String?
        /// Archives of restored data that lie on the host, by run.
        var received: Set<String> = []

        var peer: String { "https://\(address):2380" }
    }

    struct State {
        var members: [Member]
        var sites: [Site]
        var leader: UInt64
        var nextID: UInt64 = 0xa000_0001
        var incidents: [String] = []
        /// Learners never catch up.
        var promotesNobody = false
        /// All of etcd is stopped on purpose.
        var mayStop = false
        /// The members that a restore replaced, and those that took their place.
        var replaced: [Member] = []
        var restored: [Member] = []
    }

    static let cluster: UInt64 = 18_365_341_028_575_653_622
    /// The ids of the recorded cluster.
    static let ids: [UInt64] = [9_466_897_300_446_105_021, 2_616_501_681_312_217_504, 13_478_575_038_392_236_570]

    private let state: Mutex<State>

    init(_ cluster: Cluster) {
        let sites = cluster.etcdHosts.enumerated().map { index, host in
            Site(name: host.name.text, address: host.clusterAddress, data: Self.ids[index % 3] + UInt64(index / 3))
        }
        state = Mutex(
            State(
                members: sites.map { Member(id: $0.data ?? 0, name: $0.name, peer: $0.peer, isLearner: false) },
                sites: sites,
                leader: sites.first?.data ?? 0
            )
        )
    }

    /// Lets something have happened before anybody looks.
    func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            body(&state)
            state.settle()
        }
    }

    var now: State { state.withLock { $0 } }

    /// What has to be the same however a run was disturbed; ids differ with every member that was added.
    func lines() -> [String] {
        state.withLock { state in
            let sites = state.sites.map { site in
                let member = state.members.first { $0.peer == site.peer }
                let role = member.map { $0.isLearner ? "learner" : "voter" } ?? "no member"
                let process = site.isLost ? "lost" : site.isRunning ? "runs" : site.isParked ? "parked" : "down"
                return "\(site.name): etcd \(process), \(role), \(site.aside.count) aside"
            }
            let left = state.sites.flatMap { site in site.received.map { _ in "\(site.name): an archive is left" } }
            let kinds = state.sites.compactMap { site in site.restoredBy.map { _ in "\(site.name): restored" } }
            return sites + left + kinds + ["etcd: \(state.members.count) members"]
                + state.incidents.map { "incident: \($0)" }
        }
    }

    /// Answers a script of etcd's facts and steps; nil for any other.
    func answer(_ host: String, _ script: String, _ arguments: [String]) -> CommandResult? {
        state.withLock { $0.answer(host, script, arguments) }
    }

    /// What `etcd.status` prints on a host, without the exit code.
    func status(of host: String) -> CommandResult {
        state.withLock { state in
            guard let index = state.sites.firstIndex(where: { $0.name == host }) else {
                return CommandResult(exitCode: 44, text: "", errorText: "no etcd process\n")
            }
            return state.status(state.sites[index])
        }
    }
}

extension SimulatedEtcd.State {
    private var voters: [SimulatedEtcd.Member] { members.filter { !$0.isLearner } }

    private func runs(_ member: SimulatedEtcd.Member) -> Bool {
        sites.contains { $0.isRunning && !$0.isLost && $0.data == member.id }
    }

    private var hasQuorum: Bool { voters.count { runs($0) } * 2 > voters.count }

    /// Lets kubelets start and stop what their manifests say, etcd choose a leader, and notes what must not be.
    mutating func settle() {
        for index in sites.indices {
            var site = sites[index]
            settle(&site)
            sites[index] = site
        }
        followData()
        if !hasQuorum, !mayStop { note("there is no quorum") }
        if let lead = members.first(where: { $0.id == leader }), runs(lead), !lead.isLearner { return }
        leader = voters.first { runs($0) }?.id ?? 0
    }

    /// The data that runs says which cluster it is: a restored one has members of its own.
    private mutating func followData() {
        let running = sites.filter(\.isRunning)
        guard !restored.isEmpty, !running.isEmpty else { return }
        let new = running.count { $0.restoredBy != nil }
        if new > 0, new < running.count { note("two clusters run at once") }
        if new > 0, replaced.isEmpty { (replaced, members) = (members, restored) }
        if new == 0, !replaced.isEmpty { (replaced, members) = ([], replaced) }
    }

    private mutating func settle(_ site: inout SimulatedEtcd.Site) {
        if site.isLost || site.isParked { return site.isRunning = false }
        if site.restoredBy != nil { return site.isRunning = true }
        if let id = site.data, replaced.contains(where: { $0.id == id }) { return site.isRunning = true }
        if let id = site.data {
            site.isRunning = members.contains { $0.id == id }
            if !site.isRunning { note("\(site.name) was started with a removed member's data") }
            return
        }
        guard let wanted = site.initialCluster else {
            site.isRunning = false
            return note("\(site.name) founded a cluster of its own")
        }
        let peers = Set(wanted.split(separator: ",").map { String($0.drop { $0 != "=" }.dropFirst()) })
        guard peers == Set(members.map(\.peer)),
            let index = members.firstIndex(where: { $0.peer == site.peer && $0.name.isEmpty })
        else {
            site.isRunning = false
            return note("\(site.name) was started with another member list")
        }
        members[index].name = site.name
        site.data = members[index].id
        site.isRunning = true
    }

    private mutating func note(_ incident: String) {
        if !incidents.contains(incident) { incidents.append(incident) }
    }

    mutating func answer(_ host: String, _ script: String, _ arguments: [String]) -> CommandResult? {
        guard let index = sites.firstIndex(where: { $0.name == host }) else { return nil }
        defer { settle() }
        if script.contains("printf 'via %s") { return status(sites[index]) }
        if script.contains("say form \"$form\"") { return installation(sites[index]) }
        if script.contains("E -w json get ''") {
            guard sites[index].isRunning, hasQuorum else { return CommandResult(exitCode: 44, text: "") }
            return CommandResult(text: #"{"header":{"revision":1000000990},"count":412}"#)
        }
        if let answer = onMembers(sites[index], script, arguments) { return answer }
        var site = sites[index]
        defer { sites[index] = site }
        return onSite(&site, script, arguments)
    }

    /// What a step does to its own host.
    private mutating func onSite(
        _ site: inout SimulatedEtcd.Site,
        _ script: String,
        _ arguments: [String]
    ) -> CommandResult? {
        if let answer = onRestored(&site, script, arguments) { return answer }
        if script.contains("etcd still runs 90 s after") {
            let wasRunning = site.isRunning
            site.isParked = true
            return CommandResult(text: wasRunning ? "was running\n" : "")
        }
        if script.contains("the old data stays at") {
            let run = String(arguments[1].split(separator: "-", maxSplits: 1).last ?? "")
            if site.isRunning { return CommandResult(text: "") }
            site.received.remove(run)
            if site.restoredBy == run { (site.data, site.restoredBy) = (nil, nil) }
            guard site.data == nil else { return CommandResult(exitCode: 1, text: "", errorText: "member is there") }
            site.data = site.aside.removeValue(forKey: run)
            return CommandResult(text: "")
        }
        if script.contains(".before-$1") {
            guard !site.isRunning else { return CommandResult(exitCode: 1, text: "", errorText: "etcd still runs") }
            if let data = site.data, site.aside[arguments[1]] == nil {
                site.aside[arguments[1]] = data
                (site.data, site.restoredBy) = (nil, nil)
            }
            return CommandResult(text: "/var/lib/etcd.before-\(arguments[1])\n")
        }
        if script.contains("etcd was not started within 90 s") {
            if script.contains("etcd-joined-with") { site.initialCluster = arguments[2] }
            site.isParked = false
            return CommandResult(text: "")
        }
        return nil
    }

    /// What a restore does to a host.
    private mutating func onRestored(
        _ site: inout SimulatedEtcd.Site,
        _ script: String,
        _ arguments: [String]
    ) -> CommandResult? {
        func refused(_ text: String) -> CommandResult { CommandResult(exitCode: 1, text: "", errorText: text) }
        switch script {
        case RestoreEtcdData.receiveScript.description:
            site.received.insert(arguments[0])
        case RestoreEtcdData.forgetScript.description:
            site.received.remove(arguments[0])
        case _ where script.contains("the database is not what was sent"):
            let run = arguments[arguments.count - 3]
            guard !site.isRunning else { return refused("etcd still runs") }
            if site.data == nil {
                guard site.received.contains(run) else { return refused("the archive is not what was sent") }
                if restored.isEmpty {
                    restored = sites.enumerated().map { index, site in
                        let id = 0xb000_0001 + UInt64(index)
                        return SimulatedEtcd.Member(id: id, name: site.name, peer: site.peer, isLearner: false)
                    }
                }
                site.data = restored.first { $0.peer == site.peer }?.id
                site.restoredBy = run
            } else if site.restoredBy != run {
                return refused("member is there; it was to be set aside first")
            }
            site.received.remove(run)
        case _ where script.contains("etcd runs on the restored data"):
            let run = arguments[arguments.count - 1]
            guard !site.isRunning else { return refused("etcd runs on the restored data") }
            site.received.remove(run)
            if site.restoredBy == run { (site.data, site.restoredBy) = (nil, nil) }
        default: return nil
        }
        return CommandResult(text: "")
    }

    /// What a step does to the member list through a host.
    private mutating func onMembers(
        _ site: SimulatedEtcd.Site,
        _ script: String,
        _ arguments: [String]
    ) -> CommandResult? {
        let isMoving = script.contains("E move-leader")
        guard isMoving || script.contains("again member ") else { return nil }
        guard site.isRunning else { return CommandResult(exitCode: 44, text: "", errorText: "no etcd process\n") }
        func refused(_ text: String) -> CommandResult {
            CommandResult(exitCode: 1, text: "", errorText: "Error: etcdserver: \(text)\n")
        }
        guard hasQuorum else { return refused("request timed out") }
        if isMoving {
            guard site.data == leader, let next = members.first(where: { $0.hexID == arguments[1] }) else {
                return refused("not leader")
            }
            leader = next.id
            return CommandResult(text: "")
        }
        if script.contains("member remove \"$1\"") {
            let count = members.count
            members.removeAll { $0.hexID == arguments[1] }
            if members.count == count, !script.contains("member not found") { return refused("member not found") }
        } else if script.contains("member promote") {
            guard let index = members.firstIndex(where: { $0.hexID == arguments[1] }), members[index].isLearner,
                runs(members[index]), !promotesNobody
            else { return refused("can only promote a learner member which is in sync with leader") }
            members[index].isLearner = false
        } else if arguments[3] == "add" {
            guard !members.contains(where: { $0.peer == arguments[2] }) else {
                return refused("Peer URLs already exists")
            }
            guard members.allSatisfy({ runs($0) }) else { return refused("unhealthy cluster") }
            members.append(SimulatedEtcd.Member(id: nextID, name: "", peer: arguments[2], isLearner: true))
            nextID += 1
        }
        return CommandResult(text: memberList)
    }

    // What etcdctl and the fact of an installation print.

    private var memberList: String {
        let all = members.map { member in
            let name = member.name.isEmpty ? "" : #""name":"\#(member.name)","#
            let client =
                member.name.isEmpty
                ? "" : #","clientURLs":["\#(member.peer.replacing(":2380", with: ":2379"))"]"#
            let learner = member.isLearner ? #","isLearner":true"# : ""
            return #"{"ID":\#(member.id),\#(name)"peerURLs":["\#(member.peer)"]\#(client)\#(learner)}"#
        }
        return #"{"header":{"cluster_id":\#(SimulatedEtcd.cluster)},"members":[\#(all.joined(separator: ","))]}"#
    }

    func status(_ site: SimulatedEtcd.Site) -> CommandResult {
        guard site.isRunning, let id = site.data, let member = members.first(where: { $0.id == id }) else {
            return CommandResult(exitCode: 44, text: "", errorText: "no etcd process\n")
        }
        let header =
            #""header":{"cluster_id":\#(SimulatedEtcd.cluster),"member_id":\#(id),"revision":990,"raft_term":2}"#
        let numbers = #""dbSize":1294336,"raftIndex":1150,"raftTerm":2,"raftAppliedIndex":1150"#
        let known = hasQuorum ? #","leader":\#(leader)"# : ""
        let errors = hasQuorum ? "" : #","errors":["etcdserver: no leader"]"#
        let learner = member.isLearner ? #","isLearner":true"# : ""
        let body = #"{\#(header),"version":"3.5.16",\#(numbers)\#(known)\#(learner)\#(errors)}"#
        let status = #"[{"Endpoint":"https://127.0.0.1:2379","Status":\#(body)}]"#
        let lists = hasQuorum ? "members \(memberList)\nalarms {}\n" : ""
        return CommandResult(
            text: "via container\nname \(site.name)\ndata /var/lib/etcd\nquota \nstatus \(status)\n\(lists)"
        )
    }

    private func installation(_ site: SimulatedEtcd.Site) -> CommandResult {
        let place = site.isParked ? "/var/lib/rollbook-host/parked" : "/etc/kubernetes/manifests"
        let lines: [(String, String)] = [
            ("form", "static-pod"), ("name", site.name), ("data", "/var/lib/etcd"), ("wal", ""), ("peer", site.peer),
            ("client", site.peer.replacing(":2380", with: ":2379")), ("source", "\(place)/etcd.yaml"),
            ("version", "3.5.16-0"), ("fixed", ""), ("parked", site.isParked ? "yes" : ""), ("starts", "yes"),
            ("running", site.isRunning ? "yes" : ""), ("stored", site.data == nil ? "" : "yes"), ("mounted", ""),
            ("logmounted", ""),
            ("owner", "root:root"), ("free", "70733639680"), ("size", site.data == nil ? "" : "1294336"),
            ("tools", ""), ("end", ""),
        ]
        return CommandResult(text: lines.map { "[\($0)]\n\($1)\n" }.joined())
    }
}

extension SimulatedEtcd.Member {
    fileprivate var hexID: String { String(id, radix: 16) }
}
