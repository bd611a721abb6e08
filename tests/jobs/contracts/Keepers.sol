// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// As Chainlink's keepers know it (AutomationCompatibleInterface): what the check answers is what
/// is performed. Here it says how many have piled up, and for whom.
contract Upkeep {
    event Performed(uint256 amount, bytes note);

    uint256 public waiting;
    uint256 public performed;

    function pile(uint256 amount) external {
        waiting += amount;
    }

    function checkUpkeep(bytes calldata note) external view returns (bool, bytes memory) {
        return (waiting > 0, abi.encode(waiting, note));
    }

    function performUpkeep(bytes calldata performData) external {
        (uint256 amount, bytes memory note) = abi.decode(performData, (uint256, bytes));
        require(waiting > 0 && amount == waiting, "not what is waiting");
        waiting = 0;
        ++performed;
        emit Performed(amount, note);
    }
}

/// As Keep3r's jobs are: whether there is work, and the work.
contract Worker {
    event Worked(address indexed keeper, uint256 total);

    bool public workable;
    bool public paused;
    uint256 public total;

    function order() external {
        workable = true;
    }

    function pause(bool whether) external {
        paused = whether;
    }

    function work() external {
        require(workable, "nothing to do");
        workable = false;
        emit Worked(msg.sender, ++total);
    }
}

/// Something that is to be called from time to time, whenever that is.
contract Ticker {
    event Ticked(uint256 number, uint256 blockNumber);

    uint256 public ticks;

    function tick() external {
        emit Ticked(++ticks, block.number);
    }
}

/// As the standards have it: it delegates to what is in its slot (EIP-1967).
contract Proxy {
    event Upgraded(address indexed implementation);

    bytes32 private constant SLOT =
        bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    constructor(address implementation) {
        upgradeTo(implementation);
    }

    function upgradeTo(address implementation) public {
        bytes32 slot = SLOT;
        assembly {
            sstore(slot, implementation)
        }
        emit Upgraded(implementation);
    }

    fallback() external payable {
        bytes32 slot = SLOT;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(slot), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch ok
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
