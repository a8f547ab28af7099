extension PreflightFailure {
    /// What other hosts see of a host.
    static let ofNetwork: [Self] = [
        Self(
            "nftables drops by default, which is a warning",
            "firewall",
            "filter drop 'ct state established,related accept' 'tcp dport 22 accept'",
            finds: [
                "worker1 preflight.firewall WARNING: nftables drops what its rules do not let in (inet broken in);"
                    + " whether 10250/tcp get through, only dialling tells"
            ],
            code: 0
        ),
        Self(
            "a port taken by another program",
            "ports",
            """
            systemctl stop kubelet
            systemd-run -q --unit=squat --collect perl -MIO::Socket::INET \\
                -e '@s = (IO::Socket::INET->new(LocalPort => 10250, Listen => 1, ReuseAddr => 1)); sleep'
            until_so 'ss -Hltn | grep -q :10250'
            """,
            undo: "systemctl stop squat; systemctl start kubelet; until_so 'ss -Hltn | grep -q :10250'",
            finds: [
                "worker1 preflight.ports BLOCKED: 10250/tcp is taken by perl (pid ",
                "it is for kubelet Next: ss -ltnp 'sport = :10250', and stop that program",
            ]
        ),
        Self(
            "2379 and 2380 dropped between two masters",
            "reachability",
            on: ["master1", "master3"],
            broken: ["master2"],
            "filter accept 'ip saddr 10.77.0.11 tcp dport { 2379, 2380 } drop'",
            finds: [
                "master1 preflight.reachability BLOCKED: master1 cannot reach 2379/tcp",
                "2380/tcp (etcd peers) of master2: no answer within 3 s",
                " Next: on master2: nft list ruleset, and let 2379/tcp from 10.77.0.11 in",
            ]
        ),
        Self(
            "2380 refused between two masters",
            "reachability",
            on: ["master1"],
            broken: ["master2"],
            "filter accept 'ip saddr 10.77.0.11 tcp dport 2380 reject with tcp reset'",
            finds: [
                "master1 preflight.reachability BLOCKED: master1 cannot reach 2380/tcp (etcd peers) of master2: a firewall"
                    + " refuses, for etcd listens there Next: on master2: nft list ruleset, and let 2380/tcp from 10.77.0.11 in"
            ]
        ),
        Self(
            "2380 dropped by a chain's own policy",
            "reachability",
            on: ["master1"],
            broken: ["master2"],
            "filter drop 'ct state established,related accept' 'iif lo accept' 'tcp dport != 2380 accept'",
            finds: [
                "2380/tcp (etcd peers) of master2: no answer within 3 s",
                " Next: on master2: nft insert rule inet broken in ip saddr 10.77.0.11 tcp dport 2380 accept",
            ]
        ),
        Self(
            "the VIP on a worker as well",
            "vip",
            on: ["worker1", "lb1", "lb2"],
            broken: ["worker1"],
            "ip addr add 10.77.0.100/32 dev host0",
            undo: "ip addr del 10.77.0.100/32 dev host0",
            finds: [
                "worker1 preflight.vip BLOCKED: it holds the VIP 10.77.0.100 on host0, and is no load balancer"
                    + " Next: ip addr del 10.77.0.100/32 dev host0",
                "lb1 preflight.vip BLOCKED: the VIP 10.77.0.100 is on worker1 and on lb1 at once"
                    + " Next: on worker1: ip addr del 10.77.0.100/32 dev host0",
                "lb2 preflight.vip BLOCKED: the VIP 10.77.0.100 is on worker1 and on lb1 at once",
            ]
        ),
        Self(
            "VRRP dropped, so both load balancers hold the VIP",
            "vip",
            on: ["lb1", "lb2"],
            broken: ["lb2"],
            "filter accept 'ip protocol 112 drop'; until_so 'ip -br addr | grep -q 10.77.0.100'",
            undo: "until_so '! ip -br addr | grep -q 10.77.0.100'",
            finds: [
                "lb1 preflight.vip BLOCKED: the VIP 10.77.0.100 is on lb1 and on lb2 at once"
                    + " Next: let VRRP (IP protocol 112) through between lb1 and lb2: nft list ruleset",
                "lb2 preflight.vip BLOCKED: the VIP 10.77.0.100 is on lb1 and on lb2 at once",
            ]
        ),
        Self(
            "keepalived is stopped everywhere",
            "vip",
            on: ["lb2", "lb1"],
            "systemctl stop keepalived",
            undo: "systemctl start keepalived; [ $(uname -n) != lb1 ] || until_so 'ip -br addr | grep -q 10.77.0.100'",
            finds: [
                "lb1 preflight.vip BLOCKED: nobody holds the VIP 10.77.0.100, keepalived runs nowhere"
                    + " Next: systemctl enable --now keepalived",
                "lb2 preflight.vip BLOCKED: nobody holds the VIP 10.77.0.100, keepalived runs nowhere",
            ]
        ),
    ]
}
