-- Redis' time in ms.
return int(now())
