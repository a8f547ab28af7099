import ClusterModel

/// Whether a VIP would move from one load balancer to another when something fails there.
///
/// A check without weight takes its instance to FAULT, which always gives the VIP up. A weight only changes the priority that is
/// announced, and another instance takes over only when its own is greater. Sources: keepalived.conf(5); keepalived#2599.
struct VIPFailover {
    struct Member {
        let name: HostName
        let address: String
        let instance: KeepalivedConfiguration.Instance

        /// With every check in order.
        var priority: Int { announced(instance.tracks.reduce(0) { $0 + max(0, $1.weight) }) }

        /// When one check fails and the others do not.
        func priority(without track: KeepalivedConfiguration.Track) -> Int {
            announced(instance.tracks.reduce(0) { $0 + max(0, $1.weight) } - abs(track.weight))
        }

        /// 255 owns the address and stays 255; all others stay within 1 and 254.
        private func announced(_ change: Int) -> Int {
            instance.priority == 255 ? 255 : min(254, max(1, instance.priority + change))
        }
    }

    let own: Member
    let others: [Member]

    /// Settings on which both must agree, or each would be deaf to the other and hold the VIP as well.
    var disagreements: [String] {
        others.flatMap { other in
            func differ<Value: Equatable>(
                _ what: String,
                _ path: KeyPath<KeepalivedConfiguration.Instance, Value>,
                _ show: (Value) -> String?
            ) -> String? {
                let (mine, theirs) = (own.instance[keyPath: path], other.instance[keyPath: path])
                guard mine != theirs else { return nil }
                let values = show(mine).flatMap { mine in
                    show(theirs).map { " (\(mine) on \(own.name), \($0) on \(other.name))" }
                }
                return "\(what) differs from that of \(other.name)\(values ?? "")"
            }
            return [
                differ("virtual_router_id", \.routerID) { $0.map(String.init) ?? "none" },
                differ("advert_int", \.advertInterval) { $0 },
                differ("auth_type", \.authType) { $0 ?? "none" },
                differ("auth_pass", \.authDigest) { _ in nil },
                differ("unicast_peer", \.unicastPeers.isEmpty) { $0 ? "multicast" : "unicast" },
            ].compactMap { $0 }
        }
    }

    /// Doubts about priorities and peers.
    var doubts: [String] {
        var doubts: [String] = []
        for other in others {
            if own.instance.priority == other.instance.priority {
                doubts.append("the priority \(own.instance.priority) is that of \(other.name) as well")
            }
            if !own.instance.unicastPeers.isEmpty, !own.instance.unicastPeers.contains(other.address) {
                doubts.append("unicast_peer does not name \(other.address) of \(other.name)")
            }
        }
        if own.instance.isNoPreempt, own.instance.state == "MASTER" {
            doubts.append("nopreempt works only with state BACKUP, this one is MASTER")
        }
        return doubts
    }

    /// What a failed check does: what keeps the VIP where it is, check by check.
    struct Outcome {
        /// Why the VIP stays, for every check with which it does.
        let stays: [String]
        let moves: Bool
    }

    /// nil when the VIP is not this one's to lose, or nobody else is known.
    var outcome: Outcome? {
        // Equal priorities leave it to the addresses, and the VIP may be on either.
        let rivals = others.filter { $0.priority <= own.priority }
        guard !rivals.isEmpty, rivals.count == others.count, !own.instance.tracks.isEmpty else { return nil }
        var stays: [String] = []
        for track in own.instance.tracks where track.weight != 0 {
            let left = own.priority(without: track)
            guard let best = rivals.max(by: { $0.priority < $1.priority }) else { continue }
            let willing = rivals.filter { $0.priority > left && !$0.instance.isNoPreempt }
            guard willing.isEmpty else { continue }
            let change = "when \(track.name) fails, \(own.name) goes from priority \(own.priority) to \(left)"
            stays.append(
                best.priority > left
                    ? "\(change), and nopreempt keeps \(best.name) with \(best.priority) from taking over"
                    : "\(change), and \(best.name) has \(best.priority), which is not more"
            )
        }
        return Outcome(stays: stays, moves: stays.count < own.instance.tracks.count)
    }
}
