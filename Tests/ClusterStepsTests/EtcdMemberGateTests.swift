import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Gates before and after members of etcd change")
struct EtcdMemberGateTests {
    /// One gate, evaluated on a cluster that something has happened to.
    private func gate(
        _ kind: String,
        _ parameters: [String: JSONValue] = [:],
        masters: Int = 3,
        _ prepare: (EngineTrial, SimulatedEtcd) -> Void = { _, _ in }
    ) async throws -> PlannedGate {
        let trial = EngineTrial(.sample(masters: masters, workers: 1, loadBalancers: 0), registry: .shipped)
        let etcd = SimulatedEtcd(trial.cluster)
        for host in trial.cluster.etcdHosts {
            let own = host.name.text
            trial.hosts[own].responder = { etcd.answer(own, $1, $2) }
        }
        prepare(trial, etcd)
        let call = StepCall(
            kind: kind,
            parameters: parameters,
            location: SourceLocation(file: "r.yaml", line: 1, column: 1)
        )
        let plan = try await trial.plan(.toy([.toy(on: "controller", require: [call], [])]))
        #expect(trial.hosts.sentOnlyReads)
        return try #require(plan.stages.first?.require.first)
    }

    private func replaceable(
        _ reason: String,
        masters: Int = 3,
        member: String = "master2",
        _ prepare: (EngineTrial, SimulatedEtcd) -> Void = { _, _ in }
    ) async throws -> PlannedGate {
        try await gate(
            "etcd.replaceable",
            ["member": .string(member), "reason": .string(reason)],
            masters: masters,
            prepare
        )
    }

    /// Stops the etcd of a host.
    private func stop(_ host: String) -> (EngineTrial, SimulatedEtcd) -> Void {
        { _, etcd in
            etcd.change { state in
                for index in state.sites.indices where state.sites[index].name == host {
                    state.sites[index].isParked = true
                }
            }
        }
    }

    private func lose(_ host: String) -> (EngineTrial, SimulatedEtcd) -> Void {
        { trial, etcd in
            stop(host)(trial, etcd)
            trial.hosts[host].isUp = false
        }
    }

    @Test("a member that runs is replaced for a bad disk, with a remark; a dead one without")
    func open() async throws {
        let works = try await replaceable("bad-disk")
        #expect(works.closed == nil)
        #expect(works.detail == "2 other members are healthy; without master2, 0 more may fail until it is back")
        #expect(works.remarks == ["its etcd works now, and will be stopped"])
        let dead = try await replaceable("dead", stop("master2"))
        #expect(dead.closed == nil && dead.remarks == [])
        let five = try await replaceable("dead", masters: 5, stop("master2"))
        #expect(five.detail == "4 other members are healthy; without master2, 1 more may fail until it is back")
    }

    @Test("a host that answers with another key is not taken for a lost one")
    func otherKey() async throws {
        let member = HostName("master2")
        let gate = try await gate("etcd.removable", ["member": .string("master2")]) { trial, etcd in
            stop("master2")(trial, etcd)
            trial.hosts.inject { $0.host == member ? .keyChanged : nil }
        }
        #expect(gate.closed?.code == .security)
        #expect(gate.closed?.event.contains("host key has changed") == true)
        let silent = try await self.gate("etcd.removable", ["member": .string("master2")], lose("master2"))
        #expect(silent.closed == nil)
    }

    @Test("one that was taken off the list before is put back")
    func gone() async throws {
        let gate = try await replaceable("dead") { trial, etcd in
            stop("master2")(trial, etcd)
            etcd.change { $0.members.removeAll { $0.name == "master2" } }
        }
        #expect(gate.closed == nil)
    }

    @Test("a new host has no data; one with data is none, and is told the reason that fits")
    func newHost() async throws {
        let full = try await replaceable("new-host", stop("master2"))
        #expect(full.closed?.event == "there is data in /var/lib/etcd; it is no new host")
        #expect(full.closed?.next == "--set reason=bad-disk keeps that data aside")
        let empty = try await replaceable("new-host") { trial, etcd in
            stop("master2")(trial, etcd)
            etcd.change { $0.sites[1].data = nil }
        }
        #expect(empty.closed == nil)
    }

    /// Makes the host of a member anew: it answers, and has nothing of kubeadm's.
    private func bare(_ host: String, isListed: Bool) -> (EngineTrial, SimulatedEtcd) -> Void {
        { trial, etcd in
            stop(host)(trial, etcd)
            trial.answer(EtcdInstallation(paths: trial.cluster.paths), with: "nothing-installed", on: host)
            if !isListed { etcd.change { $0.members.removeAll { $0.name == host } } }
        }
    }

    @Test("a host made anew is sent to kubeadm, and first to have its old member removed")
    func madeAnew() async throws {
        for reason in ["new-host", "dead", "bad-disk"] {
            let listed = try await replaceable(reason, bare("master2", isListed: true)).closed
            #expect(listed?.code == .refused && listed?.state == "Nothing was changed")
            #expect(
                listed?.event.contains("kubeadm waits for ever while the old member 244fae6a94d3b9a0 is on") == true
            )
            #expect(listed?.next?.hasPrefix("rollbook run etcd-member-remove --set member=master2, ") == true)
        }
        let removed = try await replaceable("new-host", bare("master2", isListed: false)).closed
        #expect(removed?.event.hasPrefix("there is neither a manifest nor a unit of etcd on its host; kubeadm") == true)
        let command = "--control-plane --apiserver-advertise-address 10.0.1.2 --node-name master2 "
        #expect(removed?.next?.hasPrefix("kubeadm join ") == true && removed?.next?.contains(command) == true)
    }

    @Test("the old member of a host made anew is removed although the host answers, unless an etcd runs there")
    func removedAnew() async throws {
        let parameters: [String: JSONValue] = ["member": .string("master2")]
        let gate = try await gate("etcd.removable", parameters, masters: 3, bare("master2", isListed: true))
        #expect(gate.closed == nil)
        #expect(
            gate.remarks == ["its host answers, and has no etcd: neither a manifest nor a unit nor a process"]
        )
        let second = try await self.gate("etcd.removable", parameters) {
            bare("master2", isListed: true)($0, $1)
            stop("master3")($0, $1)
        }
        #expect(second.closed != nil)
        let stranger = try await self.gate("etcd.removable", parameters) { trial, etcd in
            stop("master2")(trial, etcd)
            trial.answer(EtcdInstallation(paths: trial.cluster.paths), with: "process-only", on: "master2")
        }
        #expect(stranger.closed?.event == "its host answers")
    }

    @Test("each refusal names what is wrong and what to do next")
    func closed() async throws {
        func check(_ gate: PlannedGate, _ event: String, _ next: String) {
            #expect(gate.closed?.code == .refused)
            #expect(gate.closed?.event.contains(event) == true, "\(String(describing: gate.closed?.event))")
            #expect(gate.closed?.next?.contains(next) == true, "\(String(describing: gate.closed?.next))")
            #expect(gate.closed?.state == "Nothing was changed")
        }
        check(try await replaceable("dead"), "its etcd works (revision 990); it is not dead", "reason=bad-disk")
        check(
            try await replaceable("bad-disk", masters: 1, member: "master1"),
            "it is the only member",
            "rollbook plan etcd-restore"
        )
        check(try await replaceable("dead", masters: 2, stop("master2")), "etcd has no leader", "rollbook facts")
        check(
            try await replaceable("dead", masters: 5) {
                stop("master2")($0, $1)
                stop("master4")($0, $1)
            },
            "another member is not healthy: master4: no etcd process",
            "bring master4 back first"
        )
        check(
            try await replaceable("dead", lose("master2")),
            "its host cannot be reached",
            "rollbook run etcd-member-remove --set member=master2"
        )
        check(
            try await replaceable("bad-disk") { _, etcd in
                etcd.change {
                    $0.members.append(.init(id: 77, name: "", peer: "https://10.0.1.9:2380", isLearner: true))
                }
            },
            "member 4d (https://10.0.1.9:2380) is still a learner",
            "etcdctl member remove 4d"
        )
    }

    @Test("a member list that knows the host under another name or address is refused")
    func ghost() async throws {
        let renamed = try await replaceable("bad-disk") { _, etcd in etcd.change { $0.members[1].name = "old-master2" }
        }
        #expect(renamed.closed?.event == "the member at its address 10.0.1.2 is called old-master2")
        let moved = try await replaceable("bad-disk") { _, etcd in
            etcd.change {
                $0.members[1] = .init(id: 77, name: "master2", peer: "https://10.9.9.9:2380", isLearner: false)
            }
        }
        #expect(moved.closed?.event.contains("has its name but the peer address https://10.9.9.9:2380") == true)
    }

    @Test("a name that is no etcd host is told which are")
    func unknown() async throws {
        for kind in ["etcd.replaceable", "etcd.removable"] {
            var parameters: [String: JSONValue] = ["member": .string("worker1")]
            if kind == "etcd.replaceable" { parameters["reason"] = .string("dead") }
            let gate = try await gate(kind, parameters)
            #expect(gate.closed?.code == .invalidInput)
            #expect(gate.closed?.event.hasSuffix("these are: master1, master2, master3") == true)
        }
    }

    @Test("only a host that cannot be reached is removed without it")
    func removable() async throws {
        let lost = try await gate("etcd.removable", ["member": .string("master2")], masters: 3, lose("master2"))
        #expect(lost.closed == nil)
        #expect(lost.detail == "2 other members are healthy; of 2 that are left 0 may fail")
        let there = try await gate("etcd.removable", ["member": .string("master2")])
        #expect(there.closed?.event == "its host answers")
        #expect(
            there.closed?.next == "rollbook run etcd-member-replace --set member=master2 --set reason=dead"
        )
        let two = try await gate("etcd.removable", ["member": .string("master2")], masters: 2, lose("master2"))
        #expect(two.closed?.event.contains("no leader") == true)
        let second = try await gate("etcd.removable", ["member": .string("master2")], masters: 5) {
            lose("master2")($0, $1)
            stop("master5")($0, $1)
        }
        #expect(second.closed?.event.hasPrefix("another member is not healthy: master5") == true)
    }

    @Test("etcd is healthy when every host votes, and nobody else is on the list")
    func healthy() async throws {
        let whole = try await gate("etcd.healthy")
        #expect(whole.closed == nil)
        #expect(whole.detail == "3 voters healthy, leader master1, revision 990")
        let learner = try await gate("etcd.healthy") { _, etcd in etcd.change { $0.members[2].isLearner = true } }
        #expect(learner.closed?.event == "still a learner: master3")
        let dead = try await gate("etcd.healthy", [:], masters: 3, stop("master3"))
        #expect(dead.closed?.event == "master3: no etcd process")
        let removed = try await gate("etcd.healthy") { trial, etcd in
            stop("master3")(trial, etcd)
            etcd.change { $0.members.removeLast() }
        }
        #expect(removed.closed?.event.contains("2 members are listed, the inventory has 3") == true)
        let stranger = try await gate("etcd.healthy") { _, etcd in
            etcd.change { $0.members.append(.init(id: 77, name: "", peer: "https://10.0.1.9:2380", isLearner: true)) }
        }
        #expect(stranger.closed?.event.contains("was never started") == true)
        let none = try await gate("etcd.healthy") { trial, etcd in
            for host in ["master1", "master2", "master3"] { stop(host)(trial, etcd) }
        }
        #expect(none.closed?.event.hasPrefix("etcd does not answer on any of 3 hosts") == true)
    }

    /// What a master's control plane is, by the case of its fact; all etcds but those named are parked.
    private func stopped(
        _ pods: [String],
        running: Set<String> = []
    ) -> (EngineTrial, SimulatedEtcd) -> Void {
        { trial, etcd in
            for (host, name) in zip(trial.cluster.hosts(in: .master), pods) {
                trial.answer(ControlPlanePods(paths: trial.cluster.paths), with: name, on: host.name.text)
                if !running.contains(host.name.text) { stop(host.name.text)(trial, etcd) }
            }
        }
    }

    @Test("all is stopped only when no etcd and no part of the control plane runs or will be started, on any host")
    func allStopped() async throws {
        let parked = ["parked", "parked", "parked"]
        let open = try await gate("etcd.stopped", [:], masters: 3, stopped(parked))
        #expect(open.closed == nil && open.remarks == [])
        #expect(open.detail == "stopped: etcd on 3 hosts, the control plane on 3")
        let etcd = try await gate("etcd.stopped", [:], masters: 3, stopped(parked, running: ["master3"]))
        #expect(etcd.closed?.code == .refused && etcd.closed?.event == "not stopped: etcd on master3")
        let down = try await gate("etcd.stopped") { trial, etcd in
            stopped(parked)(trial, etcd)
            // Its manifest is in place, so its kubelet will start it.
            etcd.change { state in
                state.sites[1].isParked = false
                state.sites[1].data = 77
            }
        }
        #expect(down.closed?.event == "not stopped: etcd on master2")
        for (name, pod) in [
            ("running", "kube-apiserver"), ("placed", "kube-apiserver"), ("half-parked", "kube-apiserver"),
        ] {
            let serving = try await gate("etcd.stopped", [:], masters: 3, stopped(["parked", name, "parked"]))
            #expect(serving.closed?.event == "not stopped: \(pod) on master2", "\(name)")
        }
        let none = try await gate("etcd.stopped", [:], masters: 3, stopped(["none", "parked", "parked"]))
        #expect(none.closed == nil)
        let cut = try? await gate("etcd.stopped", [:], masters: 3, stopped(["parked", "cut", "parked"]))
        #expect(cut.map { $0.closed != nil } ?? true)
    }
}
